package config

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyringThatAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		defer close(answered)
		locked := func() (string, error) { <-answered; return "late", nil }
		began := time.Now()
		if _, err := KeyringCall(t.Context(), locked); err == nil || !strings.Contains(err.Error(), "locked") ||
			time.Since(began) != keyringTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		stopped := errors.New("SIGTERM")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		began = time.Now()
		if _, err := KeyringCall(ctx, locked); !errors.Is(err, stopped) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
