package fetch

import "sync"

// workerSlot is an account's worker slot in Fetcher.Run, and after that its place
// in the order of the reports. A nil workerSlot holds nothing and waits for
// nobody.
type workerSlot struct {
	release  func() // lets another account begin
	order    *reportOrder
	once     sync.Once
	before   <-chan struct{} // closed when the account before was reported
	reported chan<- struct{}
}

// leave takes the next place in the order and releases the slot, one after the
// other: the next account comes after this one. Only the first call counts.
func (w *workerSlot) leave() {
	if w == nil {
		return
	}
	w.once.Do(func() {
		w.before, w.reported = w.order.join()
		w.release()
	})
}

// report calls fn when the accounts before this one were reported.
func (w *workerSlot) report(fn func()) {
	if w != nil {
		w.leave()
		<-w.before
		defer close(w.reported)
	}
	fn()
}

// reportOrder is the order in which accounts are reported: that in which they
// leave their worker slots.
type reportOrder struct {
	mu   sync.Mutex
	last chan struct{}
}

func newReportOrder() *reportOrder {
	none := make(chan struct{})
	close(none)
	return &reportOrder{last: none}
}

// join returns what is closed once the account before was reported, and what is
// to be closed once this one was.
func (o *reportOrder) join() (before <-chan struct{}, reported chan<- struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	mine := make(chan struct{})
	before, o.last = o.last, mine
	return before, mine
}
