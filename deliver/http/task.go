package http

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// A service that answers before it has done its work gives a task, which is looked at
// until it ends. If it does not end in time, the run goes on without it, and its id is
// kept as deliver.Error.Done: the next run looks at it before it sends anything.
const (
	tasksPath  = "/api/tasks/?task_id="
	taskPrefix = "task "
	// firstPoll and longestPoll are the pauses between two looks.
	firstPoll   = 250 * time.Millisecond
	longestPoll = 5 * time.Second
	// maxPatience is how long a task is waited for at most.
	maxPatience = 30 * time.Second
)

// fate is what became of a task.
type fate uint8

const (
	// unknown: there is no such task (any more). running: it has not ended.
	unknown fate = iota
	running
	succeeded
	failed
)

// task is a task of Paperless-ngx, in the form of version 9 of its API and before, or of
// version 10.
type task struct {
	ID       string          `json:"task_id"`
	Status   string          `json:"status"`
	Result   json.RawMessage `json:"result"`
	Document json.RawMessage `json:"related_document"`
	// Data is the result since version 10.
	Data struct {
		Document    json.RawMessage `json:"document_id"`
		Reason      string          `json:"reason"`
		Error       string          `json:"error_message"`
		DuplicateOf *int            `json:"duplicate_of"`
		InTrash     bool            `json:"duplicate_in_trash"`
	} `json:"result_data"`
}

// fate is that of the task. What is a duplicate has the same bytes as a document that is
// there, unless that is in the trash.
func (t *task) fate() fate {
	text := strings.ToLower(t.text())
	switch status := strings.ToUpper(t.Status); {
	case status == "SUCCESS":
		return succeeded
	case status == "FAILURE" && t.Data.DuplicateOf != nil && !t.Data.InTrash:
		return succeeded
	case status == "FAILURE" && strings.Contains(text, "duplicate of") && !strings.Contains(text, "trash"):
		return succeeded
	case status == "FAILURE" || status == "REVOKED":
		return failed
	}
	return running
}

func (t *task) text() string {
	return cmp.Or(strings.Trim(strings.TrimPrefix(string(t.Result), "null"), `"`), t.Data.Error, t.Data.Reason, t.Status)
}

// taskID is the id in an answer; empty if there is none.
func taskID(a *web.Answer) string {
	var id string
	if json.Unmarshal(a.Body, &id) != nil || len(id) > 72 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

// earlier is the task of an earlier run; empty if there is none.
func earlier(e *deliver.Envelope) string {
	i := slices.IndexFunc(e.Served, func(s string) bool { return strings.HasPrefix(s, taskPrefix) })
	if i < 0 {
		return ""
	}
	return e.Served[i][len(taskPrefix):]
}

// resume looks at the task of an earlier run. False: the message has to be sent again.
func (d *Deliverer) resume(ctx context.Context, id string) (deliver.Result, bool) {
	t, fate, err := d.look(ctx, id)
	switch {
	case err != nil:
		return deliver.Result{Err: err}, true
	case fate == succeeded:
		return d.finished(id, t), true
	case fate == running:
		return deliver.Result{Err: d.unfinished(id)}, true
	case fate == unknown:
		return deliver.Result{Err: d.withTask(id, d.failure(deliver.Failed, TasksHidden,
			fmt.Errorf("%s: took the message and does not know its task any more: task %s", d.o.Web.Name, id)))}, true
	}
	return deliver.Result{}, false
}

// await looks at a new task until it ends, or only once if another one took too long.
func (d *Deliverer) await(ctx context.Context, id string) deliver.Result {
	for pause, waited := firstPoll, time.Duration(0); ; pause = min(2*pause, longestPoll) {
		t, fate, err := d.look(ctx, id)
		switch {
		case err != nil:
			return deliver.Result{Err: err}
		case fate == succeeded:
			return d.finished(id, t)
		case fate == failed:
			return deliver.Result{Err: d.failure(deliver.Failed, TaskFailed, fmt.Errorf("%s: its task failed: %s", d.o.Web.Name, clean(t.text())))}
		case waited >= min(d.o.Web.Idle, maxPatience) || d.slow.Load():
			d.slow.Store(true)
			return deliver.Result{Err: d.unfinished(id)}
		}
		select {
		case <-time.After(pause):
			waited += pause
		case <-ctx.Done():
			return deliver.Result{Err: d.unfinished(id)}
		}
	}
}

// finished is the result of a task that did its work.
func (d *Deliverer) finished(id string, t *task) deliver.Result {
	text := taskPrefix + id
	if doc := strings.Trim(cmp.Or(string(t.Document), string(t.Data.Document)), `"`); doc != "" && doc != "null" {
		text += ", document " + doc
	}
	return deliver.Result{Receipt: receipt(text)}
}

// unfinished is the error of a task that runs still.
func (d *Deliverer) unfinished(id string) *deliver.Error {
	return d.withTask(id, d.failure(deliver.Later, Unfinished,
		fmt.Errorf("%s: has the message in its queue, not finished yet: task %s", d.o.Web.Name, id)))
}

func (d *Deliverer) withTask(id string, e *deliver.Error) *deliver.Error {
	e.Done = []string{taskPrefix + id}
	return e
}

// look asks for a task. The id is kept with each error.
func (d *Deliverer) look(ctx context.Context, id string) (*task, fate, *deliver.Error) {
	fault.Point("http.look")
	a, err := d.get(ctx, tasksPath+url.QueryEscape(id))
	if ctx.Err() != nil {
		return nil, unknown, d.unfinished(id)
	}
	if err != nil {
		return nil, unknown, d.withTask(id, d.failure(deliver.Unavailable, CauseOther, err))
	}
	if !a.OK() {
		e := d.refused(find(a, common), a)
		if a.Status == http.StatusForbidden {
			e.Err.(*Error).Cause = TasksHidden
		}
		return nil, unknown, d.withTask(id, e)
	}
	tasks, err := tasksOf(a.Body)
	if err != nil {
		return nil, unknown, d.withTask(id, d.failure(deliver.Unavailable, Unexpected, fmt.Errorf("%s: tasks: %w", d.o.Web.Name, err)))
	}
	// A proxy that drops the query makes the service show other tasks.
	i := slices.IndexFunc(tasks, func(t task) bool { return t.ID == id })
	if i < 0 {
		return &task{}, unknown, nil
	}
	return &tasks[i], tasks[i].fate(), nil
}

// tasksOf reads a list of tasks, or a page of one.
func tasksOf(body []byte) (list []task, err error) {
	if json.Unmarshal(body, &list) == nil {
		return list, nil
	}
	var page struct {
		Results *[]task `json:"results"`
	}
	if json.Unmarshal(body, &page) != nil || page.Results == nil {
		return nil, errors.New("the answer is no list of tasks")
	}
	return *page.Results, nil
}
