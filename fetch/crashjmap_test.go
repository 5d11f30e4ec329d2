//go:build faults

package fetch_test

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap"
	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// jmapTarget is the inbox of alice at a URL, for accounts with their state in dir.
func jmapTarget(url, dir string) deliver.Deliverer {
	login := base64.StdEncoding.EncodeToString([]byte(jmaptest.User + ":" + jmaptest.Password))
	claims := filepath.Join(dir, "claims")
	return jmap.New(jmap.Options{Base: url, Name: "jmap", Settle: 300 * time.Millisecond, Claims: claims, Client: web.New(web.Options{
		Name: "jmap", Dial: new(net.Dialer).DialContext, Authorize: func(context.Context) (string, error) {
			return "Basic " +
				login, nil
		}})})
}

// jmapServers differ in what a lost reply can be looked up by.
var jmapServers = map[string]func(s *jmaptest.Server){
	"copies":     func(*jmaptest.Server) {},
	"one copy":   func(s *jmaptest.Server) { s.OneCopy = true },
	"no history": func(s *jmaptest.Server) { s.NoChanges = true },
	"lost replies": func(s *jmaptest.Server) {
		imports := 0
		s.After = func(w http.ResponseWriter, _ *http.Request, kind string, n int) bool {
			if kind != "api" || s.Emails() == nil || imports == len(s.Emails()) {
				return false
			}
			imports = len(s.Emails())
			return jmaptest.Hangup(w)
		}
	},
}

// jmapCrash makes a crash with a server of its own.
func jmapCrash(t *testing.T, set func(*jmaptest.Server), mutate string) *crash {
	s := jmaptest.New()
	set(s)
	s.Start()
	t.Cleanup(s.Close)
	c := newCrashOf(t, 4, "none", mutate) // one more than a batch
	c.target = &crashKind{kind: "jmap", arg: s.URL, exact: true, copies: func(*crash) (list []string) {
		for _, m := range s.Mail("Inbox") {
			list = append(list, string(m))
		}
		return list
	}}
	return c
}

// TestCrashOfJMAP kills the fetch into a JMAP mailbox at each step, and the recovery at
// some of its steps: each message is then there once.
func TestCrashOfJMAP(t *testing.T) {
	for name, set := range jmapServers {
		t.Run(name, func(t *testing.T) {
			crashInRecovery(t, func(t *testing.T) *crash { return jmapCrash(t, set, "") })
		})
	}
}

// TestJMAPMutationsAreCaught proves that it can fail.
func TestJMAPMutationsAreCaught(t *testing.T) {
	for _, mutation := range []string{"no-intents", "jmap-no-search"} {
		t.Run(mutation, func(t *testing.T) {
			wantCaught(t, func() *crash { return jmapCrash(t, jmapServers["copies"], mutation) })
		})
	}
}
