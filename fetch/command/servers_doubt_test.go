package command

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// doubtRows are servers that do not end a message where it ends.
func doubtRows() []hostile {
	all := letters(5)
	const head, tail = "Subject: number 3\r\n\r\nthe first half\r\n", "the second half\r\n"
	middle := func(inside string) [][]byte { // of five letters
		return [][]byte{all[0], all[1], []byte(head + inside + tail), all[3], all[4]}
	}
	retr3 := func(sends string, more ...pop3test.Fault) pop3test.Options {
		return faults(append(more, pop3test.Fault{On: "RETR", UID: "uid-3", Always: true, Do: pop3test.Raw(sends)})...)
	}
	dot := ".\r\n"
	planted := dot + "+OK 40 octets\r\nSubject: a ghost\r\n\r\nplanted\r\n" + dot
	long := strings.Repeat("x", 70_000) + "\r\n"
	next := "+OK 127 octets\r\n" + strings.ReplaceAll(string(all[3]), "\r\n.", "\r\n..") + dot
	doubt := "the others are fetched; it is named, and not deleted"
	return []hostile{
		{does: "does not double dots, so that a message ends at a lone dot", then: doubt, messages: middle(dot),
			o: retr3("+OK\r\n" + head + dot + tail + dot), conf: []string{deleting}, left: 1, exit: 65, got: 4, says: "message uid-3"},
		{does: "does not double dots, and a sender planted +OK and a message behind a lone one", then: doubt,
			messages: middle(planted), o: retr3("+OK\r\n" + head + planted + tail + dot), conf: []string{deleting}, left: 1, exit: 65,
			got: 4, says: "message uid-3"},
		{does: "ends a message at a long line and says -ERR behind it, so that replies are one late", then: doubt,
			messages: middle(long), o: retr3("+OK\r\n" + head + dot + "-ERR line too long\r\n"), conf: []string{deleting}, left: 1,
			exit: 65, got: 4, says: "message uid-3"},
		{does: "sends the next reply inside a message", then: doubt, messages: middle(""),
			o: retr3("+OK\r\n"+head+next+tail+dot, pop3test.Fault{On: "RETR 4", Do: pop3test.Raw("")}), conf: []string{deleting},
			left: 1, exit: 65, got: 4, says: "message uid-3"},
		{does: "lists a size far from what it sends", then: doubt, o: list(3, "3 30000"), exit: 65, got: 4,
			says: "octets came where the server said 30000"},
		{does: "sends a notice in place of a message with 8-bit header fields unless it is told UTF8",
			then:     "tells it, and fetches the message",
			messages: [][]byte{[]byte("Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n" + strings.Repeat("body\r\n", 1000))},
			o:        pop3test.Options{UTF8: pop3test.UTF8Surrogate}, conf: []string{deleting}, exit: 0, got: 1},
		{does: "sends a notice in place of a message although it is told UTF8", then: doubt, messages: middle(long),
			o: retr3("+OK 60 octets\r\nSubject: Cannot display Unicode content\r\n\r\nSorry.\r\n" + dot), conf: []string{deleting},
			left: 1, exit: 65, got: 4, says: "message uid-3"},
	}
}

// identityRows are servers that no longer show a message as it was.
func identityRows() []hostile {
	sameHeader := func(d *pop3test.Maildrop) [][]byte {
		old := letters(5)[4]
		head, _, _ := bytes.Cut(old, []byte("\r\n\r\n"))
		fresh := fmt.Appendf(nil, "%s\r\n\r\nanother body\r\n", head)
		d.Remove(4)
		d.Add("uid-5", fresh)
		return [][]byte{fresh}
	}
	added := func(d *pop3test.Maildrop) [][]byte {
		for i, m := range letters(5) {
			uid := fmt.Sprintf("uid-%d", i+1)
			d.Remove(i)
			d.Insert(i, uid, bytes.Replace(m, []byte("\r\n\r\n"), fmt.Appendf(nil, "\r\nX-UIDL: %s\r\nStatus: RO\r\n\r\n", uid), 1))
		}
		return nil
	}
	nothing := func(*pop3test.Maildrop) [][]byte { return nil }
	return []hostile{
		{does: "makes unique-ids of the header, so that a new message has a seen one's",
			then: "compares the content before it deletes, and delivers the new one", before: sameHeader, conf: []string{deleting},
			exit: 0, got: 6},
		{does: "adds Status and X-UIDL lines to messages that were fetched",
			then: "leaves them out of the comparison before it deletes", before: added, conf: []string{deleting}, exit: 0, got: 5},
		{does: "refuses UIDL, which worked before", then: "takes the refusal for a passing one", before: nothing,
			o: always("UIDL", pop3test.Err("no")), exit: 75, got: 5, says: "uidl: server refused"},
		{does: "has no UIDL and refuses one TOP", then: "fetches the others; that message waits",
			o: func() pop3test.Options { o := always("TOP 3", pop3test.Err("no")); o.NoUIDL = true; return o }(), exit: 0, got: 4},
	}
}
