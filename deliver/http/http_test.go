package http

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/http/servicetest"
)

func given(secret string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return secret, nil }
}

// letter has 8-bit text, a lone CR, and what a form has to escape.
const letter = "Message-ID: <1@example.org>\nSubject: 100% & more=less + a\n\nGr\u00fc\u00dfe\rlast & line\n"

// send delivers one message.
func send(t *testing.T, d *Deliverer, e deliver.Envelope, body string) deliver.Result {
	t.Helper()
	b, err := d.Begin(t.Context())
	if err != nil {
		return deliver.Result{Err: err}
	}
	if err := b.Add(t.Context(), e, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.Publish(t.Context())[0]
}

// TestPresets: each service gets the message as it is, twice the same, and the secret
// where it wants it.
func TestPresets(t *testing.T) {
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) {
			s := &servicetest.Server{Preset: p.name, Dedupe: true}
			o := options(p.name, s.Start(t))
			if p.form != raw {
				o.Fields = []Pair{{"issue[project]", "a & b"}}
			}
			env := deliver.Envelope{Account: "a", UID: "1"}
			for range 2 {
				d := New(o)
				if res := send(t, d, env, letter); res.Err != nil || res.Receipt == "" {
					t.Fatalf("%+v", res)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
			want := letter
			if !p.lf {
				want = strings.ReplaceAll(letter, "\n", "\r\n")
			}
			messages := s.Messages()
			if string(messages[0]) != want {
				t.Errorf("got %q, want %q", messages[0], want)
			}
			dedupes := p.name != "redmine" && p.name != "rt"
			if dedupes != (len(messages) == 1) {
				t.Errorf("%d messages", len(messages))
			}
			requests, bodies := s.Requests()
			posts := [][]byte{}
			for i, r := range requests {
				if r.Method == "POST" {
					posts = append(posts, bodies[i])
				}
			}
			if len(posts) != 2 || !bytes.Equal(posts[0], posts[1]) {
				t.Errorf("%d requests, or bodies that differ", len(posts))
			}
		})
	}
}

// TestProbe changes nothing, and says what is wrong.
func TestProbe(t *testing.T) {
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) {
			s := &servicetest.Server{Preset: p.name}
			o := options(p.name, s.Start(t))
			if err := New(o).Probe(t.Context()); err != nil {
				t.Error(err)
			}
			o.Secret = given("wrong")
			err := New(o).Probe(t.Context())
			var e *deliver.Error
			blind := len(p.probe.good) == 0 || p.secret == place{} // it cannot see a secret that is wrong
			if blind != (err == nil) || !blind && (!errors.As(err, &e) || e.Class != deliver.Denied) {
				t.Errorf("with a wrong secret: %v", err)
			}
			if len(s.Messages()) != 0 {
				t.Error("it delivered something")
			}
		})
	}
}
