package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/oauth"
)

// loginUI tells the person what to do next. It implements oauth.UI.
type loginUI struct {
	in    io.Reader
	out   io.Writer
	json  bool
	paste bool // the address is to be pasted, nobody waits for a browser
}

// ShowURL implements oauth.UI.
func (u *loginUI) ShowURL(url string, opened bool) {
	switch {
	case u.json:
		_ = jsonline.Write(u.out, jsonline.Open{URL: url, Opened: opened})
	case opened:
		fmt.Fprintf(u.out, "A browser was opened. If it was not, open this address:\n\n%s\n\nWaiting for the browser ...\n", url)
	default:
		fmt.Fprintf(u.out, "Open this address in a browser and log in:\n\n%s\n\n", url)
		if !u.paste {
			fmt.Fprint(u.out, "Waiting for a browser on this machine; for one elsewhere use --paste ...\n")
		}
	}
}

// ShowDeviceCode implements oauth.UI.
func (u *loginUI) ShowDeviceCode(d oauth.DeviceCode) {
	if u.json {
		_ = jsonline.Write(u.out, jsonline.Device{URL: d.URL, Code: d.Code, Complete: d.Complete, Expires: d.Expires})
		return
	}
	fmt.Fprintf(u.out, "On any device open %s and enter the code\n\n    %s\n\n", d.URL, d.Code)
	if d.Complete != "" {
		fmt.Fprintf(u.out, "or open %s\n", d.Complete)
	}
	fmt.Fprintf(u.out, "Waiting until %s ...\n", d.Expires.Local().Format(time.TimeOnly))
}

// ReadPasted implements oauth.UI.
func (u *loginUI) ReadPasted(ctx context.Context) (string, error) {
	if !u.json {
		fmt.Fprint(u.out, "After the login the browser ends at an address that cannot be shown. Paste that address (or the code in it) here:\n> ")
	}
	whole := term.LongLines(u.in)
	defer whole()
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // a read from a terminal cannot be interrupted: it ends with the process
		line, err := term.ReadLine(u.in)
		got <- answer{line, err}
	}()
	var err error
	select {
	case a := <-got:
		if a.line = strings.TrimSpace(a.line); a.line != "" || a.err == nil {
			return a.line, nil
		}
		if err = a.err; term.IsTerminal(u.in) {
			err = exit.Cancelled()
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if !u.json {
		fmt.Fprintln(u.out)
	}
	return "", err
}
