package oauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zalando/go-keyring"
)

func sample() *record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &record{
		Provider: "custom", ClientID: "id", TokenURL: "https://a.example/token", LoggedIn: at, Issued: at, Expiry: at.Add(time.Hour),
		Scopes: []string{"a", "b"}, Refused: &verdict{At: at, Code: "invalid_grant"}, Tokens: &tokens{Access: "at-SECRET",
			Refresh: "rt-SECRET"},
	}
}

func TestStoreKeepsARecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "tokens")
	s := NewStore(dir)
	if _, err := s.load(t.Context(), "a/b"); !errors.Is(err, ErrNoTokens) {
		t.Errorf("empty store: %v", err)
	}
	unlock, err := s.lock(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	want := sample()
	if err := s.save(t.Context(), "a/b", want); err != nil {
		t.Fatal(err)
	}
	got, err := s.load(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	want.Format = recordFormat
	if d := cmp.Diff(want, got, cmp.AllowUnexported(record{}, tokens{}, verdict{})); d != "" {
		t.Error(d)
	}
	if s.Path("a/b") != filepath.Join(dir, "a%2Fb.json") {
		t.Errorf("path %q", s.Path("a/b"))
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]os.FileMode{dir: 0o700, s.Path("a/b"): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
	}
	if err := s.forget(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(t.Context(), "a/b"); !errors.Is(err, ErrNoTokens) {
		t.Errorf("after forget: %v", err)
	}
}

func TestPathsAreDistinct(t *testing.T) {
	s := NewStore("d")
	seen := map[string]string{}
	for _, name := range []string{"a", "A", ".a", "a/b", "a%2Fb", "..", "../a", "a\x00", "ä", "alice@example.org"} {
		p := s.Path(name)
		if filepath.Dir(p) != "d" || strings.HasPrefix(filepath.Base(p), ".") {
			t.Errorf("%q: %q", name, p)
		}
		if other, ok := seen[p]; ok {
			t.Errorf("%q and %q share %q", name, other, p)
		}
		seen[p] = name
	}
}

func TestUnusableTokenFiles(t *testing.T) {
	good, err := sample().encode(true)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "half": string(good[:len(good)/2]), "zeroes": strings.Repeat("\x00", len(good)), "text": `"at-SECRET"`,
		"other JSON": "{}", "no tokens": `{"format":1,"seq":1}`, "newer": `{"format":2,"seq":1,"tokens":{"access_token":"at-SECRET"}}`,
		"wrong type": `{"format":1,"seq":1,"tokens":"at-SECRET"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore(t.TempDir())
			if err := os.WriteFile(s.Path("work"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			src := NewSource(mustNew(t, newFake(t).config()), s, "work")
			_, err := src.Token(t.Context())
			wantError(t, err, KindStorage)
		})
	}
}

func TestReadableTokenFileIsRefused(t *testing.T) {
	if !modesMatter {
		t.Skip("no modes here")
	}
	src := newSource(t, newFake(t))
	if err := os.Chmod(src.store.Path("work"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := src.Token(t.Context())
	if e := wantError(t, err, KindStorage); !strings.Contains(e.Error(), "chmod 600") {
		t.Errorf("%v", err)
	}
	src.store.Group = true
	if _, err := src.Token(t.Context()); err == nil {
		t.Error("everybody could read it")
	}
	if err := os.Chmod(src.store.Path("work"), 0o660); err != nil { // as Kubernetes' fsGroup makes it
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewerVersionLeftByACrashCounts(t *testing.T) {
	s := NewStore(t.TempDir())
	r := sample()
	if err := s.save(t.Context(), "work", r); err != nil {
		t.Fatal(err)
	}
	next := *r
	next.Seq, next.Tokens = r.Seq+1, &tokens{Access: "at-SECRET-new"}
	data, err := next.encode(true)
	if err != nil {
		t.Fatal(err)
	}
	left := s.Path("work") + newSuffix
	for _, c := range []struct{ content, want string }{
		{string(data), "at-SECRET-new"},
		{string(data[:len(data)-3]), "at-SECRET"},
		{"", "at-SECRET"},
		{strings.Replace(string(data), `"seq": 2`, `"seq": 1`, 1), "at-SECRET"},
	} {
		if err := os.WriteFile(left, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := s.load(t.Context(), "work")
		if err != nil || got.Tokens.Access != c.want {
			t.Errorf("got %+v, %v, want %q", got, err, c.want)
		}
	}
	// The next save goes over it, whatever it is.
	if err := os.Chmod(left, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.save(t.Context(), "work", &next); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if _, err := s.load(t.Context(), "work"); err != nil { // not readable by others
		t.Error(err)
	}
}

func TestTokenIsNotReturnedBeforeItIsDurable(t *testing.T) {
	f := newFake(t)
	f.rotation = strict
	src := newSource(t, f)
	block := src.store.Path("work") + newSuffix
	asked := false
	src.store.step = func(name string) {
		asked = asked || name == "answered"
		if asked && name == "create" {
			_ = os.Mkdir(block, 0o700) // in the way of the new file
		}
	}
	token, err := src.Token(t.Context())
	if wantError(t, err, KindStorage); token != "" {
		t.Errorf("token %q", token)
	}
	// The process lives: what the provider answered is not lost.
	src.store.step = nil
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	wantToken(t, "at-SECRET-1")(src.Token(t.Context()))
	if r, err := src.store.load(t.Context(), "work"); err != nil || r.Tokens.Refresh != "rt-SECRET-1" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestStoreThatCannotBeWrittenCostsNoRefresh(t *testing.T) {
	f := newFake(t)
	src := newSource(t, f)
	if err := os.Mkdir(src.store.Path("work")+newSuffix, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := src.Token(t.Context())
	wantError(t, err, KindStorage)
	if n := len(f.requests); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestKeyring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keyring.MockInit()
		f := newFake(t)
		f.rotation = strict
		long := strings.Repeat("x", 3*keyringChunk)
		f.dialect = func(answer map[string]any) { answer["access_token"] = answer["access_token"].(string) + long }
		src := loggedIn(t, f, mustNew(t, f.config()), NewKeyringStore(t.TempDir(), 0))
		for _, want := range []string{"at-SECRET-1", "at-SECRET-2"} {
			wantToken(t, want+long)(src.Token(t.Context()))
			wantToken(t, want+long)(src.Token(t.Context()))
			time.Sleep(time.Hour)
		}
		data, err := os.ReadFile(src.store.Path("work"))
		if err != nil || strings.Contains(string(data), "SECRET") {
			t.Errorf("the file holds a token: %v\n%s", err, data)
		}
		r, err := src.store.load(t.Context(), "work")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Get(keyringService, item("work", r.Seq-1, 0)); !errors.Is(err, keyring.ErrNotFound) {
			t.Errorf("older items are left: %v", err)
		}
		if _, err := src.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Get(keyringService, item("work", r.Seq, 0)); !errors.Is(err, keyring.ErrNotFound) {
			t.Errorf("items are left: %v", err)
		}
	})
}

func TestKeyringThatIsLocked(t *testing.T) {
	keyring.MockInit()
	f := newFake(t)
	src := loggedIn(t, f, mustNew(t, f.config()), NewKeyringStore(t.TempDir(), 0))
	keyring.MockInitWithError(errors.New("locked"))
	_, err := src.Token(t.Context())
	if e := wantError(t, err, KindStorage); e.Op != OpKeyring {
		t.Errorf("%+v", e)
	}
	keyring.MockInit() // empty: items are gone
	_, err = src.Token(context.Background())
	wantError(t, err, KindStorage)
}
