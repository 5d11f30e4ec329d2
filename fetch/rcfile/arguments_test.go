package rcfile_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// TestGetmailArguments runs what getmail's arguments become: an address is one
// word wherever it stands, also in a script, and never a command.
func TestGetmailArguments(t *testing.T) {
	const sender, recipient = `a'b"; echo $(echo BAD) <x> *`, "r"
	for args, want := range map[string]string{
		`("<%s>", "x%(sender)y", "%(recipient)")`:                          "<x" + sender + "y><r>",
		`("<%s>", "%(sender)%(recipient)", "it's")`:                        "<" + sender + "r><it's>",
		`("<%s>", "plain $UNSET")`:                                         "<plain $UNSET>",
		`("-c", "printf '<%s>' '%(sender)' %(recipient)-x \"%(sender)\"")`: "<" + sender + "><r-x><" + sender + ">",
		`("-c", "printf '<%s>' \"$1\"", "sh", "%(sender)")`:                "<" + sender + ">",
	} {
		home := t.TempDir()
		program := "/usr/bin/printf"
		if args[:5] == `("-c"` {
			program = "/bin/sh"
		}
		writeFiles(t, home, map[string]string{"rc": "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = h\nusername = u\npassword = p\n" +
			"[destination]\ntype = MDA_external\npath = " + program + "\narguments = " + args + "\n"})
		r, err := read("getmail", filepath.Join(home, "rc"), options(home))
		if err != nil || !r.Accounts[0].Enabled {
			t.Fatalf("%s: %v\n%s", args, err, r.YAML())
		}
		argv := r.Accounts[0].Targets[0][0].Value.(config.Map)[0].Value.([]string)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = []string{"SENDER=" + sender, "RECIPIENT=" + recipient, "PATH=/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %q prints %q, want %q (%v)", args, argv, out, want, err)
		}
	}
}
