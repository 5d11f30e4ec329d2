package imap

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// box is what is known of the mailbox.
type box struct {
	name      string   // as it is sent, quoted
	validity  uint32   // UIDVALIDITY
	next      uint32   // UIDNEXT, or a lower bound of it; 0: not known
	exists    uint32   // messages, when it was opened
	permanent []string // flags that it keeps, if keywords are wanted
	opened    bool     // it is open in this session
}

// quote makes a quoted string. Control characters have no place in one.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// encodeName turns a mailbox name into modified UTF-7 (RFC 3501 section 5.1.3).
func encodeName(name string) string {
	var b strings.Builder
	var wide []rune
	flush := func() {
		if len(wide) == 0 {
			return
		}
		var raw []byte
		for _, u := range utf16.Encode(wide) {
			raw = append(raw, byte(u>>8), byte(u))
		}
		b.WriteString("&" + strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(raw), "/", ",") + "-")
		wide = wide[:0]
	}
	for _, r := range name {
		if r < 0x20 || r > 0x7e {
			wide = append(wide, r)
			continue
		}
		flush()
		b.WriteRune(r)
		if r == '&' {
			b.WriteByte('-')
		}
	}
	flush()
	return b.String()
}

// decodeName is the reverse; what is not well encoded stays as it is.
func decodeName(s string) string {
	var b strings.Builder
	for rest := s; rest != ""; {
		i := strings.IndexByte(rest, '&')
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		code, after, ok := strings.Cut(rest[i+1:], "-")
		raw, err := base64.RawStdEncoding.DecodeString(strings.ReplaceAll(code, ",", "/"))
		if !ok || err != nil || len(raw)%2 != 0 {
			return s
		}
		if code == "" {
			b.WriteByte('&')
		}
		units := make([]uint16, len(raw)/2)
		for k := range units {
			units[k] = uint16(raw[2*k])<<8 | uint16(raw[2*k+1])
		}
		b.WriteString(string(utf16.Decode(units)))
		rest = after
	}
	return b.String()
}

// locate finds out how the server calls the mailbox: "/" becomes its separator, and
// what is not below its prefix (Courier's "INBOX.") goes there.
func (c *mailbox) locate() error {
	name := c.o.Mailbox
	if strings.EqualFold(name, "INBOX") {
		c.box.name = `"INBOX"`
		return nil
	}
	prefix, sep, err := c.namespace()
	if err != nil {
		return err
	}
	if sep != "" {
		name = strings.ReplaceAll(name, "/", sep)
	}
	root := strings.TrimSuffix(prefix, sep)
	if prefix != "" && name != root && !(len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)) {
		name = prefix + name
	}
	c.box.name = quote(encodeName(name))
	return nil
}

// namespace is the prefix of personal mailboxes and the separator of levels (RFC
// 2342; RFC 9051 section 6.3.9).
func (c *mailbox) namespace() (prefix, sep string, err error) {
	if c.caps["NAMESPACE"] || c.caps["IMAP4REV2"] {
		_, err = c.command("NAMESPACE", "NAMESPACE", func(r *reply) {
			if r.name == "NAMESPACE" && len(r.vals) > 0 && len(r.vals[0].list) > 0 {
				if first := r.vals[0].list[0].list; len(first) > 1 {
					prefix, sep = decodeName(first[0].String()), first[1].String()
				}
			}
		})
	} else {
		_, err = c.command("LIST", `LIST "" ""`, func(r *reply) {
			if r.name == "LIST" && len(r.vals) > 1 {
				sep = r.vals[1].String()
			}
		})
	}
	if err != nil && !errors.As(err, new(*refusal)) {
		return "", "", err
	}
	return prefix, sep, nil
}

// status asks for UIDVALIDITY, UIDNEXT and the limit of the mailbox.
func (c *mailbox) status() error {
	items := "UIDVALIDITY UIDNEXT"
	if c.caps["APPENDLIMIT"] {
		items += " APPENDLIMIT" // RFC 7889 section 3
	}
	c.box.validity, c.box.next = 0, 0
	_, err := c.command(stageMailbox, "STATUS "+c.box.name+" ("+items+")", func(r *reply) {
		if r.name == "STATUS" && len(r.vals) == 2 {
			c.takeStatus(r.vals[1].list)
		}
	})
	if err == nil && c.box.validity == 0 { // Dovecot while another session creates it
		return c.open("EXAMINE")
	}
	return err
}

func (c *mailbox) takeStatus(vals []value) {
	for i := 0; i+1 < len(vals); i += 2 {
		n, _ := vals[i+1].number()
		switch strings.ToUpper(vals[i].s) {
		case "UIDVALIDITY":
			c.box.validity = uint32(n)
		case "UIDNEXT":
			c.box.next = uint32(n)
		case "APPENDLIMIT":
			c.limit = int64(n)
		}
	}
}

// enter finds the mailbox, and creates and subscribes it if it is missing.
func (c *mailbox) enter() error {
	err := c.locate()
	if err == nil {
		err = c.status()
	}
	if no := (*refusal)(nil); errors.As(err, &no) && missing(no.r) {
		if err = c.create(); err == nil {
			err = c.status()
		}
	}
	if err == nil && len(c.o.Keywords) > 0 {
		err = c.permanentFlags()
	}
	if err != nil {
		return c.o.failed(err)
	}
	return nil
}

// missing reports whether a refusal may say that the mailbox is not there: many say
// so in words only. CREATE finds out.
func missing(r *reply) bool {
	switch r.code {
	case "", "NONEXISTENT", "TRYCREATE":
		return r.name == "NO"
	}
	return false
}

// create makes the mailbox and subscribes it.
func (c *mailbox) create() error {
	if err := fault.Error("imap.create"); err != nil {
		return c.lost(err)
	}
	_, err := c.command(stageMailbox, "CREATE "+c.box.name, nil)
	var no *refusal
	if err != nil && !(errors.As(err, &no) && no.r.code == "ALREADYEXISTS") {
		return err
	}
	c.aside = c.send("SUBSCRIBE "+c.box.name, "") // it is there, subscribed or not
	return nil
}

// open opens the mailbox for reading.
func (c *mailbox) open(verb string) error {
	c.box.validity, c.box.next, c.box.exists, c.box.opened = 0, 0, 0, false
	_, err := c.command(stageMailbox, verb+" "+c.box.name, func(r *reply) {
		n, _ := value{s: r.args}.number()
		switch {
		case r.name == "EXISTS":
			c.box.exists = r.num
		case r.code == "UIDVALIDITY":
			c.box.validity = uint32(n)
		case r.code == "UIDNEXT":
			c.box.next = uint32(n)
		case r.code == "PERMANENTFLAGS" && verb == "SELECT":
			c.box.permanent = strings.Fields(strings.Trim(r.args, "()"))
		}
	})
	if err == nil && c.box.validity == 0 {
		return c.lost(fmt.Errorf("%w: %s without UIDVALIDITY", errProtocol, verb))
	}
	c.box.opened = err == nil
	return err
}

// permanentFlags asks which keywords the mailbox keeps. Only SELECT tells that; the
// EXAMINE after it takes the right to write back.
func (c *mailbox) permanentFlags() error {
	if err := c.open("SELECT"); err != nil {
		return err
	}
	if lost := slices.DeleteFunc(slices.Clone(c.o.Keywords), c.keeps); len(lost) > 0 {
		c.o.Logger.Warn("the mailbox does not keep these keywords: messages arrive without them", "mailbox", c.o.Mailbox, "keywords", lost)
	}
	return c.open("EXAMINE")
}

// flags is the list for APPEND, with a blank behind it; empty: none.
func (c *mailbox) flags() string {
	var list []string
	if c.o.Seen {
		list = append(list, `\Seen`)
	}
	for _, k := range c.o.Keywords {
		if c.keeps(k) {
			list = append(list, k)
		}
	}
	if list == nil {
		return ""
	}
	return "(" + strings.Join(list, " ") + ") "
}

func (c *mailbox) keeps(keyword string) bool {
	for _, p := range c.box.permanent {
		if p == `\*` || strings.EqualFold(p, keyword) {
			return true
		}
	}
	return false
}
