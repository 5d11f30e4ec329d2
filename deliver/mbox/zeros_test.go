package mbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestContentEnd: zeros behind the last message are no part of it.
func TestContentEnd(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("\x00", 10_000)
	for in, want := range map[string]int64{
		"": 0, "x\n": 2, "x\n\x00": 2, "x\n\n" + many: 3, many: 0,
		"half a line" + many: 10_011, "x\n\x00y\n": 5,
	} {
		got, err := contentEnd(strings.NewReader(in), int64(len(in)))
		if err != nil || got != want {
			t.Errorf("%.20q: %d, %v, want %d", in, got, err, want)
		}
	}
}

// TestZerosAfterRepair: a repaired file ends in zeros. They are neither read nor
// kept in front of the next message, and recovery is not misled.
func TestZerosAfterRepair(t *testing.T) {
	t.Parallel()
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mbox")
			d := newDeliverer(t, Options{Path: path, Format: format})
			first := send(t, d, "A: 1\n\none\n")
			addZeros := func() {
				t.Helper()
				info, err := os.Stat(path)
				if err == nil {
					err = os.Truncate(path, info.Size()+5000)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			addZeros()
			if all, _ := readAll(t, path, format); len(all) != 1 || string(all[0]) != "A: 1\n\none\n" {
				t.Errorf("read with zeros: %.100q", all)
			}
			if fate, err := Recover(t.Context(), first[0]); fate != deliver.Visible || err != nil {
				t.Errorf("recovered: %d, %v", fate, err)
			}
			addZeros()
			send(t, d, "A: 2\n\ntwo\n")
			all, trouble := readAll(t, path, format)
			if len(all) != 2 || trouble != "" || string(all[1]) != "A: 2\n\ntwo\n" {
				t.Errorf("%.100q %s", all, trouble)
			}
			data, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(data), "\x00") {
				t.Errorf("zeros are left, %v", err)
			}
		})
	}
}

// TestUnfinishedRegionAndZeros: a run was ended in the middle of a region, and the
// repair made the file longer.
func TestUnfinishedRegionAndZeros(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	d := newDeliverer(t, Options{Path: path})
	send(t, d, "first\n")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := stage(t, d, "second\n")
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Abort(), os.Truncate(path, int64(len(old))+8192)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if fate, err := Recover(t.Context(), intents[0]); fate != deliver.Absent || err != nil {
			t.Errorf("got %d, %v, want Absent", fate, err)
		}
	}
	send(t, d, "second\n")
	if all, trouble := readAll(t, path, MBOXRD); len(all) != 2 || trouble != "" {
		t.Errorf("%q %s", all, trouble)
	}
}

// TestMissingFile: an mbox that is gone is not one that is empty.
func TestMissingFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "vol")
	path := filepath.Join(dir, "mbox")
	intents := send(t, newDeliverer(t, Options{Path: path}), "x\n")
	if err := os.Remove(path); err != nil { // as a mail reader does
		t.Fatal(err)
	}
	if fate, err := Recover(t.Context(), intents[0]); fate != deliver.Absent || err != nil {
		t.Errorf("removed: got %d, %v, want Absent", fate, err)
	}
	if err := errors.Join(os.Rename(dir, dir+".away"), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	fate, err := Recover(t.Context(), intents[0])
	if fate != deliver.Unknown || !errors.As(err, new(*deliver.GoneError)) {
		t.Errorf("not mounted: got %d, %v, want a GoneError", fate, err)
	}
}
