package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

// keyringService names our items in the keyring.
const keyringService = "mailhaul-oauth"

// keyringChunk bounds one item: the keyrings of macOS and Windows take less
// than 3000 bytes, and Microsoft's tokens are longer.
const keyringChunk = 1200

// saveSecrets puts the record's tokens into items of their own, under its new
// sequence number. They count only once the token file names them.
func saveSecrets(account string, r *record) error {
	data, err := json.Marshal(r.Tokens)
	if err != nil {
		return err
	}
	for text := string(data); text != ""; r.Chunks++ {
		n := min(len(text), keyringChunk)
		name := item(account, r.Seq, r.Chunks)
		if _, err := inTime(func() (string, error) { return "", keyring.Set(keyringService, name, text[:n]) }); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

func loadSecrets(account string, r *record) error {
	var b strings.Builder
	for i := range min(r.Chunks, maxFile/keyringChunk) {
		part, err := inTime(func() (string, error) { return keyring.Get(keyringService, item(account, r.Seq, i)) })
		if err != nil {
			return err
		}
		b.WriteString(part)
	}
	r.Tokens = new(tokens)
	if json.Unmarshal([]byte(b.String()), r.Tokens) != nil { // its words may quote a token
		return errors.New("item is damaged")
	}
	return nil
}

// dropSecrets removes items that no token file names any more. One that cannot
// be removed is harmless.
func dropSecrets(account string, seq uint64, chunks int) {
	for i := range min(chunks, maxFile/keyringChunk) {
		if _, err := inTime(func() (string, error) { return "", keyring.Delete(keyringService, item(account, seq, i)) }); errors.Is(err, errKeyringSilent) {
			return
		}
	}
}

// keyringTimeout is how long a keyring may take for one item: a prompt to
// unlock it may wait where nobody sees it.
const keyringTimeout = 15 * time.Second

var errKeyringSilent = errors.New("no answer: is it locked, and does it ask where nobody sees it?")

// inTime runs one call to the keyring, which cannot be interrupted: one that
// takes too long is left to itself, and ends with the process.
func inTime(call func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := call()
		got <- answer{text, err}
	}()
	timeout := time.NewTimer(keyringTimeout)
	defer timeout.Stop()
	select {
	case a := <-got:
		return a.text, a.err
	case <-timeout.C:
		return "", errKeyringSilent
	}
}

func item(account string, seq uint64, chunk int) string {
	return fmt.Sprintf("%s/%d/%d", account, seq, chunk)
}

func keyringError(err error) *Error {
	return &Error{Kind: KindStorage, Op: OpKeyring, Err: err}
}
