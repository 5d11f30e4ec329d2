package pop2

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxMessages bounds the memory of a listing, as that of package pop3.
const maxMessages = 2_000_000

// maxHeader is more of a header than anybody reads.
const maxHeader = 512 << 10

// reply answers the client with one line, "-ERR" for a refusal. Any other error is the
// end.
func (c *conn) reply(text string, err error) error {
	if r := refusal(""); errors.As(err, &r) {
		fmt.Fprintf(&c.out, "-ERR %s\r\n", strings.TrimSpace(string(r)))
		return nil
	}
	if err == nil {
		fmt.Fprintf(&c.out, "+OK %s\r\n", strings.TrimSpace(text))
	}
	return err
}

// command carries out one command of the client.
func (c *conn) command(line string) error {
	verb, arg, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
	num, _ := strconv.Atoi(strings.SplitN(arg, " ", 2)[0])
	switch verb {
	case "CAPA":
		c.out.WriteString("+OK\r\nUSER\r\nTOP\r\n.\r\n")
		return nil
	case "USER":
		c.user = arg
		return c.reply("", nil)
	case "PASS":
		return c.reply("", c.login(arg))
	case "STAT":
		err := c.measure()
		return c.reply(fmt.Sprintf("%d %d", c.box.listed, c.box.octets), err)
	case "LIST":
		return c.list()
	case "RETR":
		return c.retrieve(num)
	case "TOP":
		return c.top(num)
	case "DELE":
		return c.reply("", c.delete(num))
	case "QUIT":
		_, err := c.ask("QUIT", '+')
		return c.reply("", err)
	}
	return c.reply("", refusal("POP2 has nothing like "+verb))
}

// login is HELO, and FOLD if the user name names a mailbox.
func (c *conn) login(password string) error {
	user, folder, _ := strings.Cut(c.user, " ")
	c.secret = password
	hello := "HELO " + quote(user) + " "
	if err := c.send(hello+quote(password), hello+"****"); err != nil {
		return err
	}
	n, err := c.answer("HELO", '#')
	if err == nil && folder != "" {
		n, err = c.ask("FOLD "+strings.ReplaceAll(folder, `\`, `\\`), '#')
	}
	if err == nil && n > maxMessages {
		err = refusal("more messages than this client takes")
	}
	c.box.count = int(n)
	return err
}

// quote is an argument of HELO (RFC 937, Quoting).
func quote(s string) string { return strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(s) }

// measure asks for the lengths of all messages, once.
func (c *conn) measure() error {
	for n := len(c.box.sizes) + 1; n <= c.box.count; n++ {
		size, err := c.ask(fmt.Sprintf("READ %d", n), '=')
		if err != nil {
			return err
		}
		c.box.sizes = append(c.box.sizes, size)
		if c.box.octets += size; size > 0 {
			c.box.listed++
		}
	}
	return nil
}

func (c *conn) list() error {
	if err := c.reply("", c.measure()); err != nil || len(c.box.sizes) < c.box.count {
		return err
	}
	for i, size := range c.box.sizes {
		if size > 0 {
			fmt.Fprintf(&c.out, "%d %d\r\n", i+1, size)
		}
	}
	c.out.WriteString(".\r\n")
	return nil
}

// begin asks for a message. Its octets follow.
func (c *conn) begin(num int) (size int64, err error) {
	if err := c.measure(); err != nil {
		return 0, err
	}
	if num < 1 || num > c.box.count || c.box.sizes[num-1] == 0 {
		return 0, refusal("no such message")
	}
	if size, err = c.ask(fmt.Sprintf("READ %d", num), '='); err != nil {
		return 0, err
	}
	if size != c.box.sizes[num-1] {
		return 0, refusal(fmt.Sprintf("the message had %d octets, and has %d now", c.box.sizes[num-1], size))
	}
	return size, c.send("RETR", "RETR")
}

func (c *conn) retrieve(num int) error {
	size, err := c.begin(num)
	if err == nil {
		c.body = &transfer{num: num, left: size, sum: sha256.New(), dots: newStuffer()}
	}
	return c.reply(fmt.Sprintf("%d octets", size), err)
}

// top gives the header. The rest has to come too: POP2 sends all or nothing.
func (c *conn) top(num int) error {
	size, err := c.begin(num)
	if err := c.reply("", err); err != nil || size == 0 {
		return err
	}
	sum, header, end := sha256.New(), []byte(nil), -1
	err = c.message(size, func(p []byte) {
		sum.Write(p)
		if end < 0 && len(header) < maxHeader {
			header = append(header, p...)
			end = bytes.Index(header, []byte("\r\n\r\n"))
		}
	})
	if err == nil {
		_, err = c.ask("NACK", '=')
	}
	if err != nil {
		return final(err)
	}
	c.box.sums[num] = string(sum.Sum(nil))
	if end >= 0 {
		header = header[:end+4]
	}
	dots := newStuffer()
	dots.write(&c.out, header)
	dots.end(&c.out)
	return nil
}

// delete retrieves a message again, to be sure that it is the one that the client has
// read, and to have something to acknowledge.
func (c *conn) delete(num int) error {
	want, known := c.box.sums[num]
	if !known {
		return refusal("the message was not read in this session")
	}
	size, err := c.begin(num)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := c.message(size, func(p []byte) { sum.Write(p) }); err != nil {
		return err
	}
	if string(sum.Sum(nil)) == want {
		_, err = c.ask("ACKD", '=')
	} else if _, err = c.ask("NACK", '='); err == nil {
		err = refusal("the message is another one now")
	}
	return err
}
