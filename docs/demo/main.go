// Command demo shows mailhaul's main job on this machine: a sample POP3 server
// with TLS on loopback, a fetch that is killed in the middle, a second fetch that
// completes it, and a count of the delivered messages.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

const messages = 200

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo PATH-OF-MAILHAUL")
		os.Exit(64)
	}
	if err := demo(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(binary string) error {
	dir, err := os.MkdirTemp("", "mailhaul-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	drop := &pop3test.Maildrop{}
	corpus := pop3test.Corpus(1, messages)
	drop.AddAll(corpus)
	server := pop3test.NewServer(drop, pop3test.Options{Delay: 5 * time.Millisecond})
	defer server.Close()
	config, err := writeConfig(dir, server)
	if err != nil {
		return err
	}
	fmt.Printf("A POP3 server with TLS and %d messages listens on %s.\n\n", messages, server.Addr())

	fmt.Println("$ mailhaul fetch        (killed in the middle)")
	if err := cutOff(binary, config, dir); err != nil {
		return err
	}
	fmt.Printf("  killed; %d messages are in the Maildir\n\n", len(delivered(dir)))
	for _, args := range [][]string{{"plan"}, {"fetch"}, {"fetch"}, {"status"}} {
		fmt.Println("$ mailhaul " + strings.Join(args, " "))
		if err := run(binary, config, args...); err != nil {
			return err
		}
		fmt.Println()
	}
	return compare(dir, corpus)
}

func writeConfig(dir string, server *pop3test.Server) (string, error) {
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, server.RootPEM(), 0o600); err != nil {
		return "", err
	}
	text := fmt.Sprintf(`state: %[1]s/state
accounts:
  sample:
    server: %[2]s
    ca_file: %[1]s/ca.pem
    user: alice
    password: secret
    deliver:
      - maildir: %[1]s/Maildir
`, dir, server.Addr())
	config := filepath.Join(dir, "config.yaml")
	return config, os.WriteFile(config, []byte(text), 0o600)
}

func command(binary, config string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, append([]string{"--config", config}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func run(binary, config string, args ...string) error {
	if err := command(binary, config, args...).Run(); err != nil {
		return fmt.Errorf("mailhaul %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// cutOff starts a fetch and kills it, with no chance to tidy up, as soon as a
// part of the messages has arrived.
func cutOff(binary, config, dir string) error {
	cmd := command(binary, config, "fetch")
	cmd.Stderr = nil
	if err := cmd.Start(); err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(delivered(dir)) < messages/4 && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // "signal: killed", as intended
	return nil
}

func delivered(dir string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, "Maildir", "new", "*"))
	return names
}

// compare checks that every message of the server is there once, byte for byte.
func compare(dir string, corpus [][]byte) error {
	want := make(map[[sha256.Size]byte]int)
	for _, m := range corpus {
		want[pop3test.Sum(m)]++
	}
	for _, name := range delivered(dir) {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		want[sha256.Sum256(b)]--
	}
	for _, n := range want {
		if n != 0 {
			return fmt.Errorf("a message is missing or there twice")
		}
	}
	fmt.Printf("All %d messages are there, each once, byte for byte (SHA-256 compared).\n", len(corpus))
	return nil
}
