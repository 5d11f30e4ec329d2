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
func (c *Client) sendUTF8() error {
	if !c.s.UTF8 || !c.caps.Has("UTF8") {
		return nil
	}
	c.send("UTF8", "UTF8")
	c.utf8 = utf8Sent
	if c.Pipelining() {
		return nil
	}
	err := c.readUTF8()
	if c.utf8 == utf8Ahead {
		c.utf8 = utf8On
	}
	return err
}

// readUTF8 reads the reply. A refusal leaves the session as it was.
func (c *Client) readUTF8() error {
	c.utf8 = utf8Refused
	return c.s.step("utf8", func() error {
		_, err := c.status("UTF8", 0)
		if err == nil {
			c.utf8 = utf8Ahead
		}
		if c.err == nil {
			return nil
		}
		return err
	})
}

// UTF8 reports whether the session is in the UTF8 mode of RFC 6856.
func (c *Client) UTF8() bool { return c.utf8 == utf8On || c.utf8 == utf8Ahead }

// UTF8Refused reports whether the server announced UTF8 and then refused it.
func (c *Client) UTF8Refused() bool { return c.utf8 == utf8Refused }

// UTF8Broke reports whether the session ended at the UTF8 command: the server
// hung up, fell silent or talked nonsense. A session without it is worth a try.
func UTF8Broke(err error) bool {
	var conn *ConnError
	var proto *ProtocolError
	return errors.As(err, &conn) && conn.Command == "UTF8" || errors.As(err, &proto) && proto.Command == "UTF8"
}
