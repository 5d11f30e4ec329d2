package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
)

// useful are the capabilities that delivery makes use of.
var useful = []string{"LITERAL+", "LITERAL-", "MULTIAPPEND", "UIDPLUS", "APPENDLIMIT", "QUOTA", "NAMESPACE", "ID"}

// Probe walks to the mailbox as a delivery does, tells each step, and changes
// nothing: a mailbox that is missing is only reported. Steps are
// login, mailbox, rights, quota and limits; of a way that ends before the login, what failed.
func Probe(ctx context.Context, o Options, step func(deliver.Step)) error {
	o = o.withDefaults()
	tell := deliver.Steps(step)
	c, err := connect(ctx, &o)
	if err != nil {
		name := "connect"
		if e, ok := errors.AsType[*Error](err); ok && e.Stage != "" {
			name = strings.ToLower(e.Stage)
		}
		return tell(name, "", err)
	}
	defer c.logout()
	defer c.watch(ctx)()
	_ = tell("login", "offers "+strings.Join(c.offered(), ", "), nil)
	if err = c.locate(); err == nil {
		err = c.status()
	}
	var no *refusal
	if errors.As(err, &no) && missing(no.r) {
		return tell("mailbox", o.Mailbox+" does not exist: it will be created", nil)
	}
	if err != nil {
		return tell("mailbox", "", o.failed(err))
	}
	_ = tell("mailbox", nameOf(c.box.name)+" exists", nil)
	if c.caps["ACL"] {
		if err := c.rights(tell); err != nil {
			return err
		}
	}
	if c.limit > 0 {
		_ = tell("limits", fmt.Sprintf("takes messages of up to %d octets", c.limit), nil)
	}
	if c.caps["QUOTA"] {
		return c.quota(tell)
	}
	return nil
}

// teller tells a step, and returns its error.
type teller = func(name, detail string, err error) error

// offered are the useful capabilities that the server has.
func (c *wire) offered() []string {
	out := slices.Clone(useful)
	return slices.DeleteFunc(out, func(s string) bool { return !c.caps[s] })
}

// rights asks whether we may append (RFC 4314: i).
func (c *mailbox) rights(tell teller) error {
	rights := ""
	_, err := c.command("MYRIGHTS", "MYRIGHTS "+c.box.name, func(r *reply) {
		if r.name == "MYRIGHTS" && len(r.vals) == 2 {
			rights = r.vals[1].String()
		}
	})
	if err == nil && rights != "" && !strings.Contains(rights, "i") {
		return tell("rights", "", c.o.failure(deliver.CannotCreate, NoRight, "rights", errors.New("no right to append to "+c.o.Mailbox)))
	}
	return unlessRefused(err)
}

// quota asks how full the mailbox is (RFC 9208).
func (c *mailbox) quota(tell teller) error {
	var lines []string
	full := false
	_, err := c.command("GETQUOTAROOT", "GETQUOTAROOT "+c.box.name, func(r *reply) {
		if r.name != "QUOTA" || len(r.vals) != 2 {
			return
		}
		for v := r.vals[1].list; len(v) >= 3; v = v[3:] {
			used, _ := v[1].number()
			most, _ := v[2].number()
			unit := ""
			if strings.EqualFold(v[0].s, "STORAGE") {
				unit = " KiB"
			}
			full = full || most > 0 && used >= most // some servers have 0 for no limit
			lines = append(lines, fmt.Sprintf("%d of %d%s used", used, most, unit))
		}
	})
	if full {
		return tell("quota", "", c.o.failure(deliver.Unavailable, Quota, "quota", errors.New(strings.Join(lines, ", "))))
	}
	if len(lines) > 0 {
		_ = tell("quota", strings.Join(lines, ", "), nil)
	}
	return unlessRefused(err)
}

// unlessRefused is the error of a step that a server may refuse.
func unlessRefused(err error) error {
	if errors.As(err, new(*refusal)) {
		return nil
	}
	return err
}
