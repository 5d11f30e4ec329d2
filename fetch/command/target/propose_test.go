package target

import (
	"net"
	"testing"
)

func TestSMTPGreets(t *testing.T) {
	for greeting, want := range map[string]bool{"220 here\r\n": true, "554 no\r\n": false, "": false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write([]byte(greeting))
				_ = conn.Close()
			}
		}()
		if got := smtpGreets(t.Context(), l.Addr().String()); got != want {
			t.Errorf("%q: %t", greeting, got)
		}
		_ = l.Close()
		<-done
	}
}
