package process

import "bytes"

// Output keeps the first Max bytes of what a command prints, and discards the rest, so
// that a closed pipe does not end the command. Full, if not nil, is called when there is
// a rest. The buffer is no embedded one: its ReadFrom would be used, which has no bound.
type Output struct {
	Max  int
	Full func()
	buf  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	n := min(len(p), o.Max-o.buf.Len())
	o.buf.Write(p[:n])
	if n < len(p) && o.Full != nil {
		o.Full()
	}
	return len(p), nil
}

// Bytes and String return what was kept.
func (o *Output) Bytes() []byte  { return o.buf.Bytes() }
func (o *Output) String() string { return o.buf.String() }
