package jmap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// lf is a message as it is delivered.
func lf(m []byte) []byte { return bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")) }

// basic is the value of Authorization of alice.
func basic(context.Context) (string, error) {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(jmaptest.User+":"+jmaptest.Password)), nil
}

// alice are options for her mailbox at a URL, without TLS.
func alice(url, mailbox string) Options {
	return Options{Base: url, Name: "jmap test", Mailbox: mailbox, Settle: 200 * time.Millisecond,
		Client: web.New(web.Options{Name: "jmap test", Dial: new(net.Dialer).DialContext, Idle: 10 * time.Second, Authorize: basic})}
}

// sharedServer tells a killed child of the suite where its server is.
const sharedServer = "MAILHAUL_JMAP_SERVER"

// boxFor is a mailbox for each directory of the suite.
func boxFor(dir string) string { return fmt.Sprintf("Box/%x", sha256.Sum256([]byte(dir)))[:20] }

func TestConformance(t *testing.T) {
	for _, kind := range []string{"copies", "one copy", "no changes"} {
		t.Run(kind, func(t *testing.T) { conform(t, kind) })
	}
}

func conform(t *testing.T, kind string) {
	url := os.Getenv(sharedServer)
	if url == "" {
		s := jmaptest.New()
		s.OneCopy, s.NoChanges = kind == "one copy", kind == "no changes"
		s.Start()
		t.Cleanup(s.Close)
		url = s.URL
		t.Setenv(sharedServer, url)
	}
	skip := map[string]string{"bodies/empty": "an Email has a header"}
	if kind == "one copy" {
		skip["mutations"] = "this server cannot have a message twice"
		skip["recover published"] = "the account has the messages of other cases: they are delivered again, and there once"
	}
	delivertest.Run(t, delivertest.Harness{
		Open: func(t testing.TB, at string) delivertest.Target {
			read := func(t testing.TB) [][]byte {
				list, err := jmaptest.MailOf(url, boxFor(at))
				if err != nil {
					t.Fatal(err)
				}
				return list
			}
			return delivertest.Target{Deliverer: New(alice(url, boxFor(at))), Read: read,
				ByReceipt: func(t testing.TB, receipt string) []byte {
					return readBack(t, alice(url, boxFor(at)), receipt, [32]byte{})
				}}
		},
		Recover: func(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
			in := new(intent)
			err := in.Decode(Kind, i.Data, in)
			if err != nil {
				return deliver.Unknown, err
			}
			d := New(alice(url, in.Mailbox))
			defer d.Close()
			return d.Recover(ctx, i)
		},
		InDir:     true,
		Mutations: []string{"jmap-no-sum"},
		Skip:      skip,
	})
}

// readBack returns the message of a receipt.
func readBack(t testing.TB, o Options, receipt string, sum [32]byte) []byte {
	t.Helper()
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := r.Copy(context.Background(), &b, receipt, sum); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deliverAll delivers messages in one batch and returns their intents and results.
func deliverAll(t testing.TB, d deliver.Deliverer, msgs ...[]byte) (intents []deliver.Intent, results []deliver.Result) {
	t.Helper()
	b, intents := prepared(t, d, msgs...)
	return intents, b.Publish(t.Context())
}

// prepared is a batch of these messages with its intents.
func prepared(t testing.TB, d deliver.Deliverer, msgs ...[]byte) (deliver.Batch, []deliver.Intent) {
	t.Helper()
	ctx := t.Context()
	b, err := d.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range msgs {
		e := deliver.Envelope{Date: time.Date(2015, 10, 5, 22, 33, 11, 0, time.UTC).Add(time.Duration(i) * time.Hour)}
		if _, after, ok := strings.Cut(string(m), "Message-ID: "); ok {
			e.MessageID, _, _ = strings.Cut(after, "\n")
		}
		if err := b.Add(ctx, e, bytes.NewReader(m)); err != nil {
			t.Fatal(err)
		}
	}
	intents, err := b.Prepare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b, intents
}

// sumOf is what the engine knows of a message.
func sumOf(m []byte) [32]byte { return sha256.Sum256(m) }
