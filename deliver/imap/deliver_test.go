package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// lf is a message as it is delivered.
func lf(m []byte) []byte { return bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")) }

// deliverAll delivers messages in one batch and returns their receipts and errors.
func deliverAll(t testing.TB, d deliver.Deliverer, msgs ...[]byte) (intents []deliver.Intent, results []deliver.Result) {
	t.Helper()
	b, intents := prepared(t, d, msgs...)
	results = b.Publish(t.Context())
	for i, r := range results {
		if r.Receipt == "" {
			results[i].Receipt = intents[i].Receipt
		}
	}
	return intents, results
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
		e.MessageID = fieldID(string(m[max(bytes.Index(m, []byte("Message-ID:")), 0):]))
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

// readBack returns the message of a receipt.
func readBack(t testing.TB, o Options, receipt string) []byte {
	t.Helper()
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := r.Copy(context.Background(), &b, receipt, [32]byte{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
