package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxDepth bounds how deep JSON may be nested.
const maxDepth = 32

// eachJSON calls value with each JSON value of a text, and element with each element of
// an array that is not inside of another value: a long list is never in memory as a
// whole. YAML's parser does not read all of JSON (\ud83d\ude00).
func eachJSON(data []byte, value, element func(at string, n *yaml.Node) error) error {
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	r.dec.UseNumber()
	for i := 0; r.dec.More(); i++ {
		tok, err := r.token()
		if err != nil {
			return err
		}
		if tok != json.Delim('[') {
			if err := r.one(tok, fmt.Sprintf("accounts[%d]", i), value); err != nil {
				return err
			}
			continue
		}
		for i := 0; r.dec.More(); i++ {
			tok, err := r.token()
			if err != nil {
				return err
			}
			if err := r.one(tok, fmt.Sprintf("accounts[%d]", i), element); err != nil {
				return err
			}
		}
		if _, err := r.token(); err != nil {
			return err
		}
	}
	if rest := bytes.TrimSpace(data[r.dec.InputOffset():]); len(rest) > 0 {
		return fmt.Errorf("is not JSON (line %d): %q is too much", r.line, rest[:1])
	}
	return nil
}

// jsonReader makes nodes of JSON tokens.
type jsonReader struct {
	dec  *json.Decoder
	data []byte
	// Where the token begins, and where its line does.
	at, line, begin int
}

func (r *jsonReader) one(tok json.Token, at string, take func(at string, n *yaml.Node) error) error {
	n, err := r.node(tok, 0)
	if err != nil {
		return err
	}
	return take(at, n)
}

// token reads a token and finds where it begins.
func (r *jsonReader) token() (json.Token, error) {
	from := int(r.dec.InputOffset())
	rest := bytes.TrimLeft(r.data[from:], " \t\r\n,:")
	to := len(r.data) - len(rest)
	r.line += bytes.Count(r.data[r.at:to], []byte("\n"))
	if i := bytes.LastIndexByte(r.data[r.at:to], '\n'); i >= 0 {
		r.begin = r.at + i + 1
	}
	r.at = to
	tok, err := r.dec.Token()
	switch {
	case err == nil:
		return tok, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("is cut off: the JSON ends in the middle (line %d)", r.line)
	}
	return nil, fmt.Errorf("is not JSON (line %d): %s", r.line, strings.TrimPrefix(err.Error(), "json: "))
}

// node makes a node of a value that begins with tok. A null in an object counts as a
// key that is not there, as databases have columns for all keys.
func (r *jsonReader) node(tok json.Token, depth int) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line, Column: r.at - r.begin + 1}
	switch v := tok.(type) {
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(v)
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Delim:
		if depth == maxDepth {
			return nil, fmt.Errorf("is nested too deep (line %d)", r.line)
		}
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		if v == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		return n, r.fill(n, depth)
	}
	return n, nil
}

// fill reads what is in an object or array, and its end.
func (r *jsonReader) fill(n *yaml.Node, depth int) error {
	for r.dec.More() {
		tok, err := r.token()
		if err != nil {
			return err
		}
		c, err := r.node(tok, depth+1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, c)
		if last := len(n.Content) - 2; n.Kind == yaml.MappingNode && len(n.Content)%2 == 0 && c.Tag == "!!null" {
			n.Content = n.Content[:last]
		}
	}
	_, err := r.token()
	return err
}
