package jmap

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
)

// TestOldIntents: equal messages of a batch whose intents are older than claims were each delivered.
func TestOldIntents(t *testing.T) {
	t.Parallel()
	s := jmaptest.New()
	s.Start()
	defer s.Close()
	o := alice(s.URL, "inbox")
	m := letters(1)[0]
	intents, _ := deliverAll(t, New(o), m, bytes.Clone(m))
	o.Claims = filepath.Join(t.TempDir(), "jmap", "box")
	d := New(o)
	defer d.Close()
	for range 2 { // a recovery may be killed
		for i, in := range intents {
			var data map[string]any
			if err := json.Unmarshal(in.Data, &data); err != nil {
				t.Fatal(err)
			}
			delete(data, "batch")
			in.Data, _ = json.Marshal(data)
			if fate, err := d.Recover(t.Context(), in); err != nil || fate != deliver.Visible {
				t.Errorf("message %d: %v, %v", i, fate, err)
			}
		}
	}
}
