package command

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// startServer starts a server with 5 messages. Words: msgs=N, size=BYTES of each,
// uid-bytes=N of each (after msgs), stls, plain, nouidl, notop, nocapa, nologin,
// nopipelining, exclusive, login-delay=D, delete-late=D, login-error=TEXT,
// password=TEXT, cert=expired, cert=wrong-host, cert=self-signed, uids=A,B,C
// (Go-quoted each), and ON|ACTION[|ARG][|always][|done][|after=N][|nth=N] for a
// fault.
func startServer(words []string) (*server, error) {
	w := serverWords{o: pop3test.Options{CA: pop3test.NewCA()}, s: &server{drop: &pop3test.Maildrop{}}, n: 5}
	for _, word := range words {
		w.read(word)
	}
	if w.err != nil {
		return nil, w.err
	}
	w.s.Server = pop3test.NewServer(w.s.drop, w.o)
	w.s.fill(w.n, w.uids)
	return w.s, nil
}

// serverWords are the words so far, and the first error in them.
type serverWords struct {
	o    pop3test.Options
	s    *server
	n    int
	uids []string
	err  error
}

func (w *serverWords) check(err error) { w.err = cmp.Or(w.err, err) }

func (w *serverWords) number(s string) int {
	n, err := strconv.Atoi(s)
	w.check(err)
	return n
}

func (w *serverWords) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	w.check(err)
	return d
}

func (w *serverWords) unquote(s string) string {
	text, err := strconv.Unquote(`"` + s + `"`)
	w.check(err)
	return text
}

func (w *serverWords) read(word string) {
	key, val, _ := strings.Cut(word, "=")
	switch {
	case strings.Contains(word, "|"):
		w.o.Faults = append(w.o.Faults, w.fault(word))
	case key == "msgs":
		w.n = w.number(val)
	case key == "uids":
		for _, q := range strings.Split(val, ",") {
			w.uids = append(w.uids, w.unquote(q))
		}
		w.n = len(w.uids)
	case key == "size":
		w.s.pad = w.number(val)
	case key == "uid-bytes":
		for i := range w.n {
			w.uids = append(w.uids, fmt.Sprintf("%0*d", w.number(val), i))
		}
	case key == "exclusive":
		w.s.drop.Exclusive = true
	default:
		w.option(key, val)
	}
}

func (w *serverWords) option(key, val string) {
	o := &w.o
	switch key {
	case "stls":
		o.Security = pop3test.STLS
	case "plain":
		o.Security = pop3test.Plain
	case "nouidl":
		o.NoUIDL = true
	case "notop":
		o.NoTOP = true
	case "nocapa":
		o.NoCAPA = true
	case "nologin":
		o.NoUSER, o.Mechanisms = true, []string{}
	case "nopipelining":
		o.NoPipelining = true
	case "login-delay":
		o.LoginDelay = w.duration(val)
	case "delete-late":
		o.DeleteLate = w.duration(val)
	case "login-error":
		o.LoginError = val
	case "password":
		o.Password = val
	case "cert":
		c := o.CA.SelfSigned("localhost", "127.0.0.1")
		switch val {
		case "expired":
			c = o.CA.Expired("localhost", "127.0.0.1")
		case "wrong-host":
			c = o.CA.WrongHost()
		}
		o.Certificate = &c
	default:
		w.check(fmt.Errorf("pop3: no word %q", key))
	}
}

func (w *serverWords) fault(word string) pop3test.Fault {
	parts := strings.Split(word, "|")
	f := pop3test.Fault{On: parts[0]}
	arg := ""
	for _, p := range parts[2:] {
		key, val, _ := strings.Cut(p, "=")
		switch key {
		case "always":
			f.Always = true
		case "done":
			f.Done = true
		case "after":
			f.After = int64(w.number(val))
		case "uid":
			f.UID = val
		case "nth":
			f.Nth = w.number(val)
		default:
			arg = p
		}
	}
	f.Do = w.action(parts[1], w.unquote(arg))
	return f
}

func (w *serverWords) action(name, text string) pop3test.Action {
	switch name {
	case "cut":
		return pop3test.Cut()
	case "reset":
		return pop3test.Reset()
	case "stall":
		return pop3test.Stall()
	case "err":
		return pop3test.Err(text)
	case "raw":
		return pop3test.Raw(text)
	case "append":
		return pop3test.Append(text)
	case "endless-line":
		return pop3test.EndlessLine()
	case "endless-list":
		return pop3test.EndlessList()
	case "endless-body":
		return pop3test.EndlessBody()
	case "hang-up-on-pipelining":
		return pop3test.HangUpOnPipelining()
	case "drip":
		return pop3test.Drip(w.duration(text))
	}
	w.check(fmt.Errorf("pop3: no action %q", name))
	return pop3test.Action{}
}
