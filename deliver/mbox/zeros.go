package mbox

import (
	"io"

	"github.com/mailhaul/mailhaul/deliver/durable"
)

// A power loss, and the repair of a file system without a journal, can leave
// zeros behind the last message: the file was extended, or its size set to a
// whole number of blocks, and nothing was written there. Zeros at the beginning of a
// line and from there to the end of the file are no mail: no program writes
// them, and every message ends with a newline.

// contentEnd returns where a file of this size ends without such zeros.
func contentEnd(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 4<<10)
	end := size
	for end > 0 {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil && err != io.EOF {
			return 0, err
		}
		for ; n > 0 && buf[n-1] == 0; n-- {
			end--
		}
		if n > 0 {
			break
		}
	}
	if end == size || end == 0 {
		return end, nil
	}
	if _, err := f.ReadAt(buf[:1], end-1); err != nil {
		return 0, err
	}
	if buf[0] != '\n' {
		return size, nil // in the middle of a line: whose they are is not known
	}
	return end, nil
}

// dropZeros removes such zeros if they begin at or after from.
func (t *target) dropZeros(from int64) error {
	size, err := t.size()
	if err != nil {
		return err
	}
	end, err := contentEnd(t.f, size)
	if err != nil {
		return err
	}
	if end = max(end, from); end >= size {
		return nil
	}
	return durable.Truncate(t.f, end)
}
