package files

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// attaching delivers each message as an attachment of its own: so what the suite
// asks of messages is asked of attachments.
type attaching struct{ *Deliverer }

func (a attaching) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := a.Deliverer.Begin(ctx)
	return attachingBatch{b}, err
}

type attachingBatch struct{ deliver.Batch }

func (b attachingBatch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = fmt.Fprintf(w, "Content-Disposition: attachment; filename=%q\nContent-Transfer-Encoding: base64\n\n", e.UID)
		enc := base64.NewEncoder(base64.StdEncoding, w)
		_, err := io.Copy(enc, body)
		_ = enc.Close()
		_ = w.CloseWithError(err)
	}()
	err := b.Batch.Add(ctx, e, r)
	_ = r.Close()
	<-done
	return err
}

func TestConformance(t *testing.T) {
	in := func(dir string) string { return filepath.Join(dir, "in") }
	delivertest.Run(t, delivertest.Harness{
		Open: func(t testing.TB, dir string) delivertest.Target {
			return delivertest.Target{
				Deliverer: attaching{New(Options{Dir: in(dir)})},
				Read: func(t testing.TB) (all [][]byte) {
					for _, text := range list(t, in(dir), false) {
						all = append(all, []byte(text))
					}
					return all
				},
				Staged: func(t testing.TB) int { return len(list(t, in(dir), true)) },
			}
		},
		Recover:  Recover,
		InDir:    true,
		Reported: true,
		Skip:     map[string]string{"mutations": "a file that is delivered again is recognised by its content, so that nothing shows"},
	})
}

// list is what lies in a directory: what is staged, or what is visible.
func list(t testing.TB, dir string, staged bool) map[string]string {
	t.Helper()
	got := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") == staged {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[e.Name()] = string(text)
		}
	}
	return got
}

// send delivers messages and returns what the directory holds.
func send(t *testing.T, o Options, messages ...string) (map[string]string, error) {
	t.Helper()
	b, err := New(o).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := b.Add(t.Context(), deliver.Envelope{}, strings.NewReader(m)); err != nil {
			_ = b.Abort()
			if left := list(t, o.Dir, true); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			return list(t, o.Dir, false), err
		}
	}
	if _, err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Publish(t.Context()) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if left := list(t, o.Dir, true); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	return list(t, o.Dir, false), nil
}

const mixed = "Subject: x\nContent-Type: multipart/mixed;\n boundary=\"b\"\n\npreamble\n"

func pdf(name, text string) string {
	return "--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"" + name + "\"\n\n" + text + "\n"
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		o        Options
		messages []string
		want     map[string]string
	}{
		{"none", Options{}, []string{"Subject: x\n\nhello\n", "", mixed + "--b\n\ntext\n--b--\n"}, map[string]string{}},
		{"one", Options{}, []string{mixed + "--b\n\ntext\n" + pdf("a.pdf", "A") + "--b--\n"}, map[string]string{"a.pdf": "A"}},
		{"the same twice", Options{}, []string{mixed + pdf("a.pdf", "A") + pdf("a.pdf", "A"), mixed + pdf("a.pdf", "A")},
			map[string]string{"a.pdf": "A"}},
		{"other content", Options{}, []string{mixed + pdf("a.pdf", "A") + pdf("a.pdf", "B"), mixed + pdf("a.pdf", "C") + pdf("a.pdf", "B")},
			map[string]string{"a.pdf": "A", "a-2.pdf": "B", "a-3.pdf": "C"}},
		{"match", Options{Match: []string{"*.PDF", "r?.xml"}}, []string{mixed + pdf("a.Pdf", "A") + pdf("R1.xml", "X") + pdf("a.doc", "D")},
			map[string]string{"a.Pdf": "A", "R1.xml": "X"}},
		{"inline", Options{}, []string{mixed + "--b\nContent-Disposition: inline; filename=i.pdf\n\nI\n" +
			"--b\nContent-Type: image/png; name=logo.png\nContent-ID: <l>\n\nL\n--b--\n"}, map[string]string{}},
		{"inline too", Options{Inline: true}, []string{mixed + "--b\nContent-Disposition: inline; filename=i.pdf\n\nI\n" +
			"--b\nContent-Disposition: inline\n\nno name\n--b\nContent-Type: image/png; name=logo.png\nContent-ID: <l>\n\nL\n--b--\n"},
			map[string]string{"i.pdf": "I", "logo.png": "L"}},
		{"a name in Content-Type", Options{}, []string{mixed + "--b\nContent-Type: application/pdf; name=\"n.pdf\"\n\nN\n--b--\n"},
			map[string]string{"n.pdf": "N"}},
		{"the whole message", Options{}, []string{"Content-Type: application/pdf; name=w.pdf\nContent-Transfer-Encoding: base64\n\nV0hPTEU=\n"},
			map[string]string{"w.pdf": "WHOLE"}},
		{"in a forwarded message", Options{Match: []string{"*.pdf"}}, []string{mixed +
			"--b\nContent-Type: message/rfc822\nContent-Disposition: attachment; filename=f.eml\n\n" +
			strings.ReplaceAll(strings.ReplaceAll(mixed+pdf("deep.pdf", "D")+"--b--\n", "--b", "--c"), `"b"`, `"c"`) + "\n--b--\n"},
			map[string]string{"deep.pdf": "D"}},
		{"a forwarded message", Options{}, []string{mixed + "--b\nContent-Type: message/rfc822\nContent-Disposition: attachment; filename=f.eml\n\n" +
			"Subject: y\n\ninner\n--b--\n"}, map[string]string{"f.eml": "Subject: y\n\ninner"}},
		{"quoted-printable", Options{}, []string{mixed + "--b\nContent-Disposition: attachment; filename=q.txt\n" +
			"Content-Transfer-Encoding: Quoted-Printable\n\nM=C3=BCller =\nx\n--b--\n"}, map[string]string{"q.txt": "Müller x"}},
		{"base64 with garbage, without padding", Options{}, []string{mixed + "--b\nContent-Disposition: attachment; filename=g.txt\n" +
			"Content-Transfer-Encoding: base64\n\n SGV s!\nbG8\x00\n\n--b--\n"}, map[string]string{"g.txt": "Hello"}},
		{"encoded names", Options{}, []string{mixed +
			"--b\nContent-Disposition: attachment; filename*=utf-8''R%C3%A9sum%C3%A9.pdf\n\n1\n" +
			"--b\nContent-Disposition: attachment; filename=\"=?gb2312?B?yKvQvQ==?=.pdf\"\n\n2\n" +
			"--b\nContent-Disposition: attachment; filename=my file.pdf\n\n3\n" +
			"--b\nContent-Disposition: attachment; filename*0=lo; filename*1=ng.pdf\n\n4\n--b--\n"},
			map[string]string{"Résumé.pdf": "1", "全薪.pdf": "2", "my file.pdf": "3", "long.pdf": "4"}},
		{"no end", Options{}, []string{mixed + pdf("a.pdf", "A")}, map[string]string{"a.pdf": "A"}},
		{"without a name", Options{}, []string{mixed + "--b\nContent-Type: application/pdf\nContent-Disposition: attachment\n\nA\n--b--\n"},
			map[string]string{"attachment.pdf": "A"}},
	}
	for _, tt := range tests {
		tt.o.Dir = filepath.Join(t.TempDir(), "in")
		got, err := send(t, tt.o, tt.messages...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}

// TestLongField: a line that fills the buffer of the reader once or more, to the octet,
// does not end the header.
func TestLongField(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n", "\r\n"} {
		for _, n := range []int{4095, 4096, 4097, 8192} {
			m := "Subject: " + strings.Repeat("s", n-len("Subject: ")) + end + strings.ReplaceAll(mixed+pdf("a.pdf", "A")+"--b--\n", "\n", end)
			got, err := send(t, Options{Dir: t.TempDir()}, m)
			if err != nil || got["a.pdf"] != "A" {
				t.Errorf("%d %q: %q, %v", n, end, got, err)
			}
		}
	}
}

// TestHostile: what no mail for people is, is refused, within bounds, and leaves
// nothing.
func TestHostile(t *testing.T) {
	t.Parallel()
	deep := ""
	for i := range 500 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%[1]d\n", i)
	}
	for name, m := range map[string]string{
		"many parts":      mixed + strings.Repeat("--b\n\n\n", 10_000),
		"many files":      mixed + strings.Repeat(pdf("a.pdf", ""), 3000),
		"deep":            deep,
		"long boundary":   "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 5000) + "\n\nx\n",
		"long header":     "X: " + strings.Repeat("y", 1<<20) + "\n\nx\n",
		"long part field": mixed + "--b\nX: " + strings.Repeat("y", 20<<20) + "\n\nx\n--b--\n",
		"part header":     mixed + "--b\nX: " + strings.Repeat("y", 9<<20) + "\n\nx\n--b--\n",
		"many params":     mixed + "--b\nContent-Type: a/b" + strings.Repeat(";", 9<<20) + "\n\nx\n--b--\n",
		"no field":        mixed + "--b\nno field\nContent-Disposition: attachment; filename=a\n\nx\n--b--\n",
		"bad base64": mixed + "--b\nContent-Disposition: attachment; filename=a.pdf\nContent-Transfer-Encoding: base64\n\nAAAAA\n" +
			"--b--\n",
	} {
		got, err := send(t, Options{Dir: t.TempDir()}, m)
		var de *deliver.Error
		if !errors.As(err, &de) || de.Class != deliver.Never || !errors.As(err, new(*MIMEError)) || len(got) > 0 {
			t.Errorf("%s: %v, %d files", name, err, len(got))
		}
	}
}

// TestBrokenBody: an error of the body is no error of the message, wherever it comes.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	m := mixed + pdf("a.pdf", "A") + "--b--\n"
	for n := range len(m) {
		for _, want := range []error{errors.New("broken"), io.ErrUnexpectedEOF} {
			dir := t.TempDir()
			b, _ := New(Options{Dir: dir}).Begin(t.Context())
			err := b.Add(t.Context(), deliver.Envelope{}, io.MultiReader(strings.NewReader(m[:n]), iotest.ErrReader(want)))
			if !errors.Is(err, want) || errors.As(err, new(*deliver.Error)) || len(list(t, dir, true)) > 0 {
				t.Fatalf("at %d: %v", n, err)
			}
		}
	}
}

func TestSafeName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 300)
	for name, want := range map[string]string{
		"a.pdf": "a.pdf", "../../etc/passwd": "passwd", `C:\x\b.doc`: "b.doc", "a/b/": "attachment.pdf", ".bashrc": "bashrc", "..": "attachment.pdf",
		"": "attachment.pdf", "a\x00b\nc.pdf": "a_b_c.pdf", "a<b>:\"|?*.pdf": "a_b______.pdf", "con": "_con", "-rf": "_-rf", "Nul.tar.gz": "_Nul.tar.gz",
		"com1.txt": "_com1.txt", "COM¹": "_COM¹", "com10": "com10", "COMMON": "COMMON", "end. . ": "end", "x\u202egpj.exe": "xgpj.exe",
		"x\xff.pdf": "x_.pdf", "a\u00a0b": "a b", long + ".pdf": strings.Repeat("ä", 63) + ".pdf", "x." + long: "x." + strings.Repeat("ä", 64),
	} {
		if got := safeName(name, "application/pdf"); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestGone: a directory that has received files and is missing is not made again.
func TestGone(t *testing.T) {
	t.Parallel()
	d := New(Options{Dir: filepath.Join(t.TempDir(), "gone")})
	d.Resume(deliver.Past{Owner: "o", Delivered: true})
	if _, err := d.Begin(t.Context()); !errors.As(err, new(*deliver.GoneError)) {
		t.Errorf("%v", err)
	}
}

// TestSweep removes what killed runs of this maildrop left, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	d := New(Options{Dir: t.TempDir()})
	d.Resume(deliver.Past{Owner: "o"})
	for _, name := range []string{prefix("o") + "x", prefix("p") + "x", ".hidden", "a.pdf"} {
		if err := os.WriteFile(filepath.Join(d.o.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.Sweep()
	if got := list(t, d.o.Dir, true); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte(mixed + pdf("a.pdf", "A") + "--b--\n"))
	f.Fuzz(func(t *testing.T, m []byte) {
		_ = walk(strings.NewReader(string(m)), func(p *part) error {
			if strings.ContainsAny(p.name, "/\\\x00\n") || p.name == "" || p.name[0] == '.' || len(p.name) > maxName+1 {
				t.Errorf("name %q", p.name)
			}
			_, err := io.Copy(io.Discard, p.body)
			return err
		})
	})
}
