package gmail

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// label is a label of the mailbox.
type label struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"` // system or user
}

// trash is the label of what Gmail deletes after 30 days.
const trash = "TRASH"

// system are ids of Gmail's own labels, which a message can be given.
var system = []string{"INBOX", "UNREAD", "STARRED", "IMPORTANT", "SPAM", trash, "SENT", "CATEGORY_PERSONAL", "CATEGORY_SOCIAL",
	"CATEGORY_PROMOTIONS", "CATEGORY_UPDATES", "CATEGORY_FORUMS"}

// IsSystem reports whether a name is the id of one of Gmail's own labels.
func IsSystem(name string) bool { return slices.Contains(system, name) }

// labels lists the labels of the mailbox.
func (a *api) labels(ctx context.Context) ([]label, error) {
	var list struct {
		Labels []label `json:"labels"`
	}
	return list.Labels, a.get(ctx, "labels", costLabels, "labels", nil, &list)
}

// lookUp returns the id of a label; empty: there is none. Names that differ in case
// only are the same to Gmail.
func lookUp(have []label, name string) string {
	for _, l := range have {
		if l.Name == name || l.ID == name && l.Type == "system" {
			return l.ID
		}
	}
	i := slices.IndexFunc(have, func(l label) bool { return strings.EqualFold(l.Name, name) })
	if i < 0 {
		return ""
	}
	return have[i].ID
}

// resolve returns the ids of the labels of Options, and creates those that are missing.
func (a *api) resolve(ctx context.Context) ([]string, error) {
	have, err := a.labels(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(a.o.Labels))
	for i, name := range a.o.Labels {
		if IsSystem(name) {
			ids[i] = name
			continue
		}
		for end := range levels(name) { // Gmail shows a level below another one only if that exists
			if ids[i] = lookUp(have, name[:end]); ids[i] == "" {
				if have, ids[i], err = a.create(ctx, have, name[:end]); err != nil {
					return nil, err
				}
			}
		}
	}
	return ids, nil
}

// levels yields where each level of a name ends.
func levels(name string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range len(name) + 1 {
			if (i == len(name) || name[i] == '/') && !yield(i) {
				return
			}
		}
	}
}

// create makes a label. If it is there by now, another program was faster.
func (a *api) create(ctx context.Context, have []label, name string) ([]label, string, error) {
	r := jsonRequest(http.MethodPost, a.url("", "labels", nil),
		map[string]string{"name": name, "labelListVisibility": "labelShow", "messageListVisibility": "show"})
	answer, err := a.patient(ctx, "label "+remote.Clean(name), costCreate, r)
	if err == nil {
		var l label
		if err = a.decode("label", answer, &l); err == nil {
			return append(have, l), l.ID, nil
		}
		return nil, "", err
	}
	status := 0
	if answer != nil {
		status = answer.Status
	}
	if status == http.StatusConflict {
		if again, lerr := a.labels(ctx); lerr == nil && lookUp(again, name) != "" {
			return again, lookUp(again, name), nil
		}
	}
	if e := a.failed("", err); status/100 == 4 && e.Class != deliver.Denied && causeOf(e) != Throttled && causeOf(e) != DailyLimit {
		own := *e.Err.(*Error)
		own.Cause, own.Pause = LabelRefused, 0
		return nil, "", &deliver.Error{Class: deliver.CannotCreate, Err: &own}
	}
	return nil, "", err
}
