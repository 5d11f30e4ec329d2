package pop3test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// CorpusOptions shape a generated mail corpus.
type CorpusOptions struct {
	// Seed determines every byte. N is the number of messages.
	Seed uint64
	N    int
	// Huge makes the last message 30 MiB long.
	Huge bool
	// Small leaves out the 1 MiB line and keeps every message below 64 KiB,
	// for fast tests.
	Small bool
	// Bare adds messages with lone CR, lone LF and NUL bytes. Only the
	// in-memory server keeps them as they are.
	Bare bool
}

// Corpus returns n messages with CRLF lines, the same ones for the same seed.
// The first ones hold the traps in this order: a dot alone on a line, lines
// starting with dots, 8-bit bytes, no final newline, a line of 1 MiB, an empty
// body, a header only, "From " lines, long header fields. The sizes of the
// rest have a median of about 8 KB and a Pareto tail.
func Corpus(seed uint64, n int) [][]byte {
	return CorpusOptions{Seed: seed, N: n}.Generate()
}

// Generate returns the messages.
func (o CorpusOptions) Generate() [][]byte {
	out := make([][]byte, 0, o.N)
	traps := o.traps()
	for i := range o.N {
		g := &generator{rng: rand.New(rand.NewPCG(o.Seed, uint64(i))), num: i, seed: o.Seed}
		switch {
		case o.Huge && i == o.N-1:
			g.header("Subject: huge")
			g.body(30 << 20)
		case i < len(traps):
			traps[i](g)
		default:
			g.header("Subject: message " + fmt.Sprint(i))
			g.body(g.size(o.Small))
		}
		out = append(out, g.buf.Bytes())
	}
	return out
}

// generator writes one message.
type generator struct {
	buf  bytes.Buffer
	rng  *rand.Rand
	num  int
	seed uint64
}

func (o CorpusOptions) traps() []func(*generator) {
	with := func(subject, body string) func(*generator) {
		return func(g *generator) {
			g.header("Subject: " + subject)
			g.buf.WriteString(body)
		}
	}
	long := strings.Repeat("0123456789abcde.", 1<<16)
	if o.Small {
		long = long[:10_000]
	}
	traps := []func(*generator){
		with("dot alone", "first\r\n.\r\n.\r\n\r\n.\r\nlast\r\n"),
		with("dots first", ".\r\n..\r\n...\r\n.x\r\n..x\r\n. \r\n.\t\r\nmid . dot\r\n.\r\n"),
		with("8-bit", "Gr\xc3\xbc\xc3\x9fe, caf\xe9, \x80\x81\xfe\xff\r\n\x1b[31mred\x1b[0m\r\n"),
		with("no final newline", "the last line has no end"),
		with("a long line", "before\r\n"+long+"\r\nafter\r\n"),
		with("empty body", ""),
		func(g *generator) {
			g.header("Subject: header only")
			g.buf.Truncate(g.buf.Len() - 2)
		},
		with("From lines", "From alice Thu Jan  1 00:00:00 1970\r\n>From bob\r\n>>From carol\r\n\r\nFrom dave\r\n"),
		func(g *generator) {
			g.header("Subject: " + strings.Repeat("long ", 3000) + "\r\nReferences: " + strings.Repeat("<a@b.example>\r\n\t", 500) +
				"<c@d.example>")
			g.buf.WriteString("long header fields\r\n")
		},
		with("ends in a dot", "the terminator follows a dot\r\n."),
		with("blank lines", "\r\n\r\n\r\n\r\n"),
	}
	if o.Bare {
		traps = append(traps,
			with("bare LF", "one\ntwo\n.\nthree\n.\r\nfour\r\n"),
			with("bare CR", "one\rtwo\r.\rthree\r\r\n\r\r\n.\r\r\n"),
			with("NUL", "a\x00b\r\n\x00\r\n.\x00\r\n"))
	}
	return traps
}

// header writes the header fields, extra among them, and the empty line.
func (g *generator) header(extra string) {
	date := time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC).
		Add(time.Duration(g.rng.Int64N(20*365*24*3600)) * time.Second)
	stamp := date.Format(time.RFC1123Z)
	from, to := g.word(), g.word()
	lines := []string{
		"Return-Path: <" + from + "@sender.example>",
		"Delivered-To: " + to + "@rcpt.example",
		"Received: from mx.sender.example (mx.sender.example [192.0.2.1])",
		"\tby mx.rcpt.example with ESMTPS id " + fmt.Sprintf("%08x", g.rng.Uint32()) + ";",
		"\t" + date.Add(5*time.Second).Format(time.RFC1123Z),
		"From: " + from + " <" + from + "@sender.example>",
		"To: " + to + "@rcpt.example",
		extra,
		fmt.Sprintf("Message-ID: <%d.%d.%x@sender.example>", g.seed, g.num, g.rng.Uint64()),
		"Date: " + stamp,
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=utf-8",
		"", "",
	}
	g.buf.WriteString(strings.Join(lines, "\r\n"))
}

// body writes about n bytes of text lines; now and then one starts with a dot.
func (g *generator) body(n int) {
	g.buf.Grow(n + 128)
	for end := g.buf.Len() + n; g.buf.Len() < end; {
		if g.rng.IntN(50) == 0 {
			g.buf.WriteByte('.')
		}
		for range 4 + g.rng.IntN(8) {
			g.buf.WriteString(g.word())
			g.buf.WriteByte(' ')
		}
		g.buf.WriteString("\r\n")
	}
}

func (g *generator) word() string {
	const letters = "etaoinshrdlucmfw"
	var b [8]byte
	bits := g.rng.Uint64()
	n := 3 + int(bits>>60)%6
	for i := range n {
		b[i] = letters[bits&15]
		bits >>= 4
	}
	return string(b[:n])
}

// size draws from a Pareto distribution with median 8 KB and shape 1.2,
// cut at 4 MiB.
func (g *generator) size(small bool) int {
	const median, shape, limit = 8000, 1.2, 4 << 20
	scale := median / math.Pow(2, 1/shape)
	n := int(scale / math.Pow(1-g.rng.Float64(), 1/shape))
	if small {
		return min(n, 60_000)
	}
	return min(n, limit)
}
