package pop3

import "errors"

// utf8State is how far the UTF8 command of RFC 6856 has come.
type utf8State uint8

const (
	utf8Unsent utf8State = iota
	utf8Sent             // its reply is not read yet
	utf8Ahead            // accepted, and sent together with the command that is under way
	utf8On
	utf8Refused
)

// sendUTF8 asks for the UTF8 mode (RFC 6856 section 2.1). It comes before the
// login and after STLS, which must not follow it. In a pipelined session it
// leaves together with the next command, and costs no round trip.
func (d *dialogue) sendUTF8() error {
	if !d.s.UTF8 || !d.caps.Has("UTF8") {
		return nil
	}
	d.send("UTF8", "UTF8")
	d.utf8 = utf8Sent
	if d.Pipelining() {
		return nil
	}
	err := d.readUTF8()
	if d.utf8 == utf8Ahead {
		d.utf8 = utf8On
	}
	return err
}

// readUTF8 reads the reply. A refusal leaves the session as it was.
func (d *dialogue) readUTF8() error {
	d.utf8 = utf8Refused
	return d.s.step("utf8", func() error {
		_, err := d.status("UTF8", 0)
		if err == nil {
			d.utf8 = utf8Ahead
		}
		if d.err == nil {
			return nil
		}
		return err
	})
}

// UTF8 reports whether the session is in the UTF8 mode of RFC 6856.
func (d *dialogue) UTF8() bool { return d.utf8 == utf8On || d.utf8 == utf8Ahead }

// UTF8Refused reports whether the server announced UTF8 and then refused it.
func (d *dialogue) UTF8Refused() bool { return d.utf8 == utf8Refused }

// UTF8Broke reports whether the session ended at the UTF8 command: the server
// hung up, fell silent or talked nonsense. A session without it is worth a try.
func UTF8Broke(err error) bool {
	var conn *ConnError
	var proto *ProtocolError
	return errors.As(err, &conn) && conn.Command == "UTF8" || errors.As(err, &proto) && proto.Command == "UTF8"
}
