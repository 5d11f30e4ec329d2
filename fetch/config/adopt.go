package config

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// Bounds of a document: accounts, and mistakes that are reported one by one.
const (
	maxAdopted  = 50_000
	maxMistakes = 100
)

// Document is a list of accounts from elsewhere: YAML, or JSON. It is a mapping of
// accounts by name, a list of accounts with a key name, either of them under accounts,
// or one such account after the other.
type Document struct {
	// Name stands for the file's name in messages.
	Name string
	// Dir is where relative paths start.
	Dir  string
	Data []byte
	// Trusted is as in Source.
	Trusted bool
	// Mode is a file's; 0: nobody else can read it.
	Mode os.FileMode
}

// Adopted is what became of a document.
type Adopted struct {
	// Accounts is how many were taken, Rejected what is wrong with the others.
	Accounts int
	Rejected Errors
}

// ErrNoAccounts is the error of a document without any account, ErrNoneUsable of one in
// which each has a mistake.
var (
	ErrNoAccounts = errors.New("has no accounts")
	ErrNoneUsable = errors.New("has no usable account")
)

// elsewhere adds the accounts of other places. A mistake there concerns only the
// account, or the list, that it is in. It is not one of w.errs.
func (w *walker) elsewhere(c *Config) {
	if w.opts.Elsewhere == nil || !c.Elsewhere.Any() {
		return
	}
	places := make(map[string]string, len(c.Accounts))
	for _, a := range c.Accounts {
		places[a.Name] = filepath.Base(c.Path)
	}
	w.opts.Elsewhere(c, func(doc Document) (Adopted, error) {
		d := &adoption{walker: w.of(doc), doc: doc, places: maps.Clone(places)}
		d.keys = accountKeys(&d.walker.accounts.current, w.opts.Targets)
		if err := d.read(); err != nil {
			return Adopted{Rejected: d.rejected}, err
		}
		w.accounts.ids, places = d.walker.accounts.ids, d.places
		c.Accounts = append(c.Accounts, d.taken...)
		return Adopted{len(d.taken), d.rejected}, nil
	})
}

// of is a walker for a document. Accounts that are not trusted say where they log in, so
// that they must not get the secrets of others.
func (w *walker) of(doc Document) *walker {
	c := *w
	c.file, c.dir, c.opts.Shared, c.untrusted = doc.Name, doc.Dir, doc.Mode != 0 && w.opts.shared(doc.Mode), !doc.Trusted
	c.errs, c.last, c.split, c.defaults, c.visits = nil, nil, nil, w.file, maxVisits+len(doc.Data)
	c.marks, c.logins.blocks = marks{shared: map[string]mark{}}, map[string]bool{}
	c.accounts = accounts{base: w.accounts.base, lines: map[string]int{}, ids: maps.Clone(w.accounts.ids)}
	if c.untrusted {
		base := &c.accounts.base
		base.Password, base.Token, base.OAuth = Secret{}, Secret{}, nil
		base.TLS.ClientCert, base.TLS.ClientKey = "", "" // auth: external would be us
	}
	for _, list := range []map[string]mark{w.marks.shared, w.marks.own} { // own: there is no section of accounts
		for at, m := range list {
			key, of := strings.CutPrefix(at, "defaults.")
			key, _, _ = strings.Cut(key, ".")
			if of && (!c.untrusted || !slices.Contains([]string{"password", "token", "oauth", "client_cert", "client_key"}, key)) {
				c.marks.shared[at] = m
			}
		}
	}
	return &c
}

// adoption reads one document.
type adoption struct {
	*walker
	doc      Document
	keys     []Row
	places   map[string]string // of accounts, by name
	taken    []*Account
	rejected Errors
	more     int // mistakes beyond maxMistakes
}

// read takes the accounts of the document. With an error nothing is taken: half a
// list must not look as if the other half had been removed.
func (d *adoption) read() error {
	data := bytes.TrimSpace(bytes.TrimPrefix(d.doc.Data, []byte("\ufeff")))
	var err error
	switch {
	case len(data) == 0:
		return ErrNoAccounts
	case !utf8.Valid(data):
		return errors.New("is not UTF-8")
	case data[0] == '<':
		return errors.New("is HTML or XML, not a list of accounts: a page for logging in, or an error page?")
	case data[0] == '{' || data[0] == '[':
		err = eachJSON(data, d.each, d.element)
	default:
		err = d.eachYAML(data)
	}
	d.reject(d.errs)
	d.rejected = d.rejected.sorted()
	if d.more > 0 {
		d.rejected = append(d.rejected, &Error{File: d.doc.Name, Line: 1, Col: 1, Message: fmt.Sprintf("and %d more mistakes", d.more)})
	}
	switch {
	case err != nil:
		return err
	case len(d.taken) > 0:
		return nil
	case len(d.rejected) > 0:
		return ErrNoneUsable
	}
	return ErrNoAccounts
}

func (d *adoption) eachYAML(data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for i := 0; ; i++ {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			d.errs = nil
			d.syntax(data, err)
			list := d.errs
			d.errs = nil
			return list
		}
		if len(doc.Content) == 0 {
			continue
		}
		if err := d.each(fmt.Sprintf("accounts[%d]", i), doc.Content[0]); err != nil {
			return err
		}
	}
}

// each takes what stands for one account or for several. At is the path of an account
// whose name is not known yet.
func (d *adoption) each(at string, n *yaml.Node) error {
	n = d.target(n)
	switch {
	case n.Kind == yaml.SequenceNode:
		for i, c := range n.Content {
			if err := d.element(fmt.Sprintf("accounts[%d]", i), d.target(c)); err != nil {
				return err
			}
		}
		return nil
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return nil
	case n.Kind != yaml.MappingNode:
		return &Error{d.file, max(n.Line, 1), max(n.Column, 1), "", "wants accounts, not " + describe(n)}
	case nameOf(n) >= 0:
		return d.element(at, n)
	}
	found := d.pairs("accounts", n, false)
	if p, ok := found.of["accounts"]; ok {
		for _, name := range found.names {
			if name != "accounts" && !strings.HasPrefix(name, "x-") {
				d.unknown("", name, found.of[name].key, []string{"accounts"}, false)
			}
		}
		return d.section(at, d.target(p.value))
	}
	return d.named(found)
}

// section takes what stands under accounts: a list of accounts, or a mapping of them by
// name. It is no section again, as it could be for ever with an alias to itself.
func (d *adoption) section(at string, n *yaml.Node) error {
	if n.Kind == yaml.MappingNode && nameOf(n) < 0 {
		return d.named(d.pairs("accounts", n, false))
	}
	return d.each(at, n)
}

// named takes the accounts of a mapping by name.
func (d *adoption) named(found entries) error {
	for _, name := range found.names {
		if err := d.account(join("accounts", name), name, found.of[name].key, found.of[name].value); err != nil {
			return err
		}
	}
	return nil
}

// element takes an account that has its name in it.
func (d *adoption) element(at string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		d.wants(n, at, "a mapping of account keys")
		return nil
	}
	i := nameOf(n)
	if i < 0 {
		d.errorf(n, at, "name is missing")
		return nil
	}
	name, rest := n.Content[i+1], *n
	rest.Content = append(append([]*yaml.Node{}, n.Content[:i]...), n.Content[i+2:]...)
	return d.account(at, name.Value, name, &rest)
}

// nameOf is where the key name with a text is in a mapping; -1 if it is not there.
func nameOf(n *yaml.Node) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "name" && n.Content[i+1].Kind == yaml.ScalarNode {
			return i
		}
	}
	return -1
}

// account takes one account, or rejects it.
func (d *adoption) account(at, name string, key, body *yaml.Node) error {
	body = d.target(body)
	if len(d.taken) == maxAdopted {
		return fmt.Errorf("has more than %d accounts", maxAdopted)
	}
	switch first, twice := d.places[name]; {
	case !accountName(name):
		d.errorf(key, strings.TrimSuffix(at, "."+name), "%s is not an account's name: it is made of letters, digits and . _ - + @, "+
			"and starts with a letter or digit", shown(name))
	case twice:
		d.errorf(key, join("accounts", name), "is the name of an account in %s too: each name may be there once", first)
	case body.Kind != yaml.MappingNode:
		d.wants(body, at, "a mapping of account keys")
	default:
		d.take(name, key, body)
	}
	return nil
}

// take decodes and finishes one account by itself, and keeps it or its mistakes.
func (d *adoption) take(name string, key, body *yaml.Node) {
	around, at := d.errs, join("accounts", name)
	d.errs = nil
	d.marks.set(at, pair{key, body})
	a := d.decodeAccount(name, at, body, d.keys)
	for _, o := range d.logins.all {
		if a.Name == o.Login && a.OAuth != nil && a.OAuth.Key == a.Name {
			d.errorf(key, at, "has a login of its own, and the name of one under logins: give it another name")
		}
	}
	if d.untrusted && (a.Auth == sasl.GSSAPI || a.Auth == sasl.KPOP) {
		d.errorf(body, at, "auth: %s uses the Kerberos tickets of this machine, and %s is not trusted", a.Auth, d.file)
	}
	mistakes := d.errs
	if d.errs = around; len(mistakes) > 0 {
		if d.walker.accounts.ids[a.ID] == name {
			delete(d.walker.accounts.ids, a.ID)
		}
		d.reject(mistakes)
		return
	}
	a.Source, a.Sum = d.doc.Name, sumOf(body)
	d.places[name] = d.doc.Name
	d.taken = append(d.taken, a)
}

// shown quotes a name from elsewhere, or its beginning.
func shown(name string) string {
	if r := []rune(name); len(r) > 40 {
		name = string(r[:40]) + "..."
	}
	return fmt.Sprintf("%q", name)
}

// reject keeps mistakes, up to a bound.
func (d *adoption) reject(errs Errors) {
	errs = errs.sorted()
	room := max(0, min(len(errs), maxMistakes-len(d.rejected)))
	d.rejected = append(d.rejected, errs[:room]...)
	d.more += len(errs) - room
}

// sumOf is a sum over the content of a node. What has several aliases is added once: the
// others stand for it by its number.
func sumOf(n *yaml.Node) uint64 {
	h := fnv.New64a()
	done := map[*yaml.Node]int{}
	var add func(n *yaml.Node, depth int)
	add = func(n *yaml.Node, depth int) {
		fmt.Fprintf(h, "%d %d %s %q;", depth, n.Kind, n.Tag, n.Value)
		if of := n.Alias; of != nil {
			nr, twice := done[of]
			if !twice {
				nr = len(done)
				done[of] = nr
				add(of, depth+1)
			}
			fmt.Fprintf(h, "*%d;", nr)
		}
		for _, c := range n.Content {
			add(c, depth+1)
		}
	}
	add(n, 0)
	return h.Sum64()
}
