package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/mailhaul/mailhaul/deliver/process"
)

// keyringService names our items in the keyring.
const keyringService = "mailhaul-oauth"

// keyringChunk bounds one item: the keyrings of macOS and Windows take less
// than 3000 bytes, and Microsoft's tokens are longer.
const keyringChunk = 1200

// saveSecrets puts the record's tokens into items of their own, under its new
// sequence number. They count only once the token file names them.
func (s *Store) saveSecrets(ctx context.Context, account string, r *record) error {
	data, err := json.Marshal(r.Tokens)
	if err != nil {
		return err
	}
	for text := string(data); text != ""; r.Chunks++ {
		n := min(len(text), keyringChunk)
		name := item(account, r.Seq, r.Chunks)
		if _, err := s.call(ctx, func() (string, error) { return "", keyring.Set(keyringService, name, text[:n]) }); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

func (s *Store) loadSecrets(ctx context.Context, account string, r *record) error {
	var b strings.Builder
	for i := range min(r.Chunks, maxFile/keyringChunk) {
		part, err := s.call(ctx, func() (string, error) { return keyring.Get(keyringService, item(account, r.Seq, i)) })
		if err != nil {
			return keyringError(err)
		}
		b.WriteString(part)
	}
	r.Tokens = new(tokens)
	if json.Unmarshal([]byte(b.String()), r.Tokens) != nil { // its words may quote a token
		return keyringError(errors.New("item is damaged"))
	}
	return nil
}

// dropSecrets removes items that no token file names any more. One that cannot
// be removed is harmless.
func (s *Store) dropSecrets(ctx context.Context, account string, seq uint64, chunks int) {
	for i := range min(chunks, maxFile/keyringChunk) {
		if _, err := s.call(ctx, func() (string, error) { return "", keyring.Delete(keyringService, item(account, seq, i)) }); errors.As(err, new(*process.LateError)) || ctx.Err() != nil {
			return
		}
	}
}

// keyringLimit is how long a call may take if nothing else is set: a prompt to
// unlock the keyring may wait where nobody sees it.
const keyringLimit = 15 * time.Second

// call runs one call to the keyring, which takes no context.
func (s *Store) call(ctx context.Context, call func() (string, error)) (string, error) {
	return process.Call(ctx, cmp.Or(s.limit, keyringLimit), call)
}

func item(account string, seq uint64, chunk int) string {
	return fmt.Sprintf("%s/%d/%d", account, seq, chunk)
}

func keyringError(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("keyring: %w", err)
	}
	return &Error{Kind: KindStorage, Op: OpKeyring, Err: err}
}
