package pop3

import "context"

// userPass is USER and PASS (RFC 1939 section 7), in lock step: a server that
// refuses the name is not told the password.
func (c *Client) userPass(ctx context.Context, l Login) error {
	password, err := secret(ctx, l)
	if err != nil {
		return err
	}
	c.hide = append(c.hide, password)
	if _, err := c.command("USER " + l.User); err != nil {
		return err
	}
	c.send("PASS "+password, "PASS ****")
	_, err = c.status("PASS", 0)
	return err
}
