package pipe

import (
	"bytes"
	"context"
	"io"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// staging is one message with the line ends that the command wants. It is staged
// whole: a command must not be started for a message that the server fails to
// send to its end.
type staging struct {
	spool.Spool
	crlf bool
}

// fill stages body to its end, in a file.
func (s *staging) fill(ctx context.Context, body io.Reader) error {
	if err := s.Fill(ctx, body, s.put); err != nil {
		return err
	}
	if _, _, err := s.File(); err != nil {
		return &deliver.Error{Class: deliver.IOError, Err: err}
	}
	return nil
}

func (s *staging) put(p []byte) {
	for s.crlf && len(p) > 0 {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		s.Tail = append(s.Tail, line...)
		if found {
			s.Tail = append(s.Tail, '\r', '\n')
		}
		p = rest
	}
	s.Tail = append(s.Tail, p...)
}
