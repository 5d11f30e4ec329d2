package fetch

import (
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// reject notes a message that is to be set aside for a target: refused for
// good, or failed too often. Called with r.mu held.
func (r *run) reject(it *plan.Item, f state.Failure) {
	if f.Target == "" || !r.a.Policy.Refused(f) || r.a.Policy.OnReject != plan.Quarantine || r.a.SetAside == nil {
		return
	}
	again := *it
	again.SetAside = []string{f.Target}
	again.Rejected = true
	r.rejected = append(r.rejected, again)
}

// takeRejected returns the messages to set aside, each once whatever number of
// targets refused it. To set them aside is all that is left to do for them in
// this run: their other targets have them, or are tried again by the next.
func (r *run) takeRejected() []plan.Item {
	r.mu.Lock()
	list := r.rejected
	r.rejected = nil
	r.mu.Unlock()
	var out []plan.Item
	at := make(map[state.Key]int)
	for _, it := range list {
		if i, known := at[it.Key]; known {
			out[i].SetAside = append(out[i].SetAside, it.SetAside...)
			continue
		}
		at[it.Key] = len(out)
		out = append(out, it)
	}
	for i := range out {
		r.refreshHave(&out[i])
	}
	return out
}

// refreshHave asks the state which targets have the message by now.
func (r *run) refreshHave(it *plan.Item) {
	it.Have = nil
	e, _ := r.entry(it.Key)
	for _, o := range e.Outcomes {
		if !slices.Contains(it.SetAside, o.Target) {
			it.Have = append(it.Have, o.Target)
		}
	}
}

// failed is a message that this run could not retrieve (target "") or deliver.
type failed struct {
	targets []string
	nth     int // in the order of failing
	err     error
}

// countFailed is called with r.mu held.
func (r *run) countFailed(k state.Key, target string, err error) {
	f, again := r.failed[k]
	if !again {
		f.nth, f.err = len(r.failed), err
	}
	if !slices.Contains(f.targets, target) {
		f.targets = append(f.targets, target)
	}
	r.failed[k] = f
	r.sum.Failed = len(r.failed)
}

// unsent is how many of the failed messages the server did not send.
func (r *run) unsent() (n int) {
	for _, f := range r.failed {
		n += b2i(exitOfServer(f.err) != ExitOK)
	}
	return n
}

// firstFailed is the error of the first message that failed.
func (r *run) firstFailed() error {
	var first failed
	for _, f := range r.failed {
		if first.err == nil || f.nth < first.nth {
			first = f
		}
	}
	return first.err
}

// setAside counts a message that is in the SetAside target, durably.
func (r *run) setAside(m *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.SetAside++
	f := r.failed[m.Key]
	if r.asideFor == nil {
		r.asideFor = f.err // nil if an earlier run was refused
	}
	r.uncount(m.Key, m.SetAside)
}

// uncount takes back that a message failed at some targets. Called with r.mu
// held.
func (r *run) uncount(k state.Key, targets []string) {
	f := r.failed[k]
	f.targets = slices.DeleteFunc(f.targets, func(t string) bool { return slices.Contains(targets, t) })
	if r.failed[k] = f; len(f.targets) == 0 {
		delete(r.failed, k)
	}
	r.sum.Failed = len(r.failed)
}

// inSome notes a message that some targets have and others lack.
func (r *run) inSome(k state.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.partly[k] = true
}

// noteTargets tells what the numbers of the summary do not: where the messages
// are that not every target took.
func (r *run) noteTargets() {
	if n := len(r.partly); n > 0 {
		r.addNote(fmt.Sprintf("%s in some targets only; a later run delivers to the rest", messages(n)))
	}
}

// AsideError says that messages were refused for good and put aside. They are
// still on the server and are not tried again: a person has to look.
type AsideError struct {
	Messages int
	Where    string // the SetAside target
	First    error  // why the first was refused; nil if an earlier run heard it
}

func (e *AsideError) Error() string {
	text := fmt.Sprintf("%s refused for good and now in the quarantine, %s; still on the server, not tried again", messages(e.Messages), e.Where)
	if e.First != nil {
		text += fmt.Sprintf("; the first: %v", e.First)
	}
	return text
}

// Unwrap returns why the first message was refused.
func (e *AsideError) Unwrap() error { return e.First }

// aside is the error of a run that put messages aside; nil if it did not.
func (r *run) aside() error {
	if r.sum.SetAside == 0 {
		return nil
	}
	return &AsideError{Messages: r.sum.SetAside, Where: r.a.SetAside.ID, First: r.asideFor}
}

func messages(n int) string {
	if n == 1 {
		return "1 message is"
	}
	return fmt.Sprintf("%d messages are", n)
}
