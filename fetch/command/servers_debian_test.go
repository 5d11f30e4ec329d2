package command

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// Two more POP3 servers of Debian, neither of which this program was tuned
// for, over a Maildir, each started for one connection as inetd does. Courier's
// is skipped where it is not installed: it comes with a mail system.

func TestMpopd(t *testing.T) {
	t.Parallel()
	program := pop3test.Require(t, "mpopd")
	otherServer(t, letters(5), func(conn *os.File, maildir string) *exec.Cmd {
		return exec.Command(program, "--inetd", "--auth=alice,echo "+password, "--maildir="+maildir)
	})
}

func TestCourier(t *testing.T) {
	t.Parallel()
	program := ""
	for _, name := range []string{"courierpop3d", "/usr/lib/courier/courier/courierpop3d"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
		}
	}
	if program == "" {
		t.Skip("courierpop3d is not installed")
	}
	// It announces a LOGIN-DELAY of 10 s after the login, which is waited for.
	messages := append(letters(5), []byte("Message-ID: <u@example.org>\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nbody\r\n"))
	otherServer(t, messages, func(conn *os.File, maildir string) *exec.Cmd {
		cmd := exec.Command(program, maildir)
		cmd.Env = append(os.Environ(), "AUTHENTICATED=alice")
		if courierLogin(conn) {
			cmd.Env = append(cmd.Env, "UTF8=1")
		}
		return cmd
	})
}

// courierLogin plays Courier's login program, which wants a daemon.
func courierLogin(conn *os.File) (utf8 bool) {
	fmt.Fprint(conn, "+OK Hello there.\r\n")
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case err != nil || verb == "PASS": // the other program says +OK
			return utf8
		case verb == "CAPA":
			fmt.Fprint(conn, "+OK Here's what I can do:\r\nTOP\r\nUSER\r\nLOGIN-DELAY 0\r\nPIPELINING\r\nUIDL\r\nUTF8 USER\r\n.\r\n")
		default:
			utf8 = utf8 || verb == "UTF8"
			fmt.Fprint(conn, "+OK\r\n")
		}
	}
}

// otherServer fetches twice and then deletes, from a server that is a command
// with a connection as its standard input and output.
func otherServer(t *testing.T, messages [][]byte, command func(conn *os.File, maildir string) *exec.Cmd) {
	t.Helper()
	l := newLab(t)
	box := newLab(t)
	for _, sub := range []string{"", "tmp", "new", "cur"} {
		if err := os.MkdirAll(box.path("Box/"+sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range messages {
		box.write(fmt.Sprintf("Box/new/16000000%02d.M1P1Q%d.test", i, i), []byte(strings.ReplaceAll(string(m), "\r\n", "\n")))
	}
	addr := listen(t, func(conn net.Conn) {
		file, err := conn.(*net.TCPConn).File()
		if err != nil {
			return
		}
		defer file.Close()
		cmd := command(file, box.path("Box"))
		cmd.Stdin, cmd.Stdout = file, file
		_ = cmd.Run() // how it ends is seen by the client
	})
	account := []string{"server: " + addr, "tls: none", secret, "auth: password"}
	l.account(account...)
	for range 2 {
		l.want(l.run("-vv", "fetch"), 0)
		l.wantMail(messages)
	}
	l.account(append(account, deleting)...)
	l.want(l.run("fetch"), 0)
	l.wantMail(messages)
	left := 0
	for _, sub := range []string{"new", "cur"} {
		entries, _ := os.ReadDir(box.path("Box/" + sub))
		left += len(entries)
	}
	if left != 0 {
		t.Errorf("%d messages left on the server", left)
	}
}
