package idempotency

import (
	"errors"
	"time"
)

// grace is how long work may take to notice that its time is up, and the runner to
// record that.
const grace = 2 * time.Second

var errHangs = errors.New("the work ignores the end of its context")

// A watch waits for the deadline of work, plus grace. Nothing that the work still does
// can be committed then, so other deliveries of the event go on, and the observer
// hears of it. The request itself is held by its handler: only that can return.
type watch struct {
	timer    *time.Timer
	done     chan struct{} // closed when the timer's function has returned
	panicked any           // what the observer panicked with
}

func (e *Endpoint[T]) watch(p *passage, land func()) *watch {
	w := &watch{done: make(chan struct{})}
	w.timer = time.AfterFunc(e.o.Timeout+grace, func() {
		defer close(w.done)
		defer func() { w.panicked = recover() }()
		land()
		e.observe(p, OutcomeOf(KindTimeout, errHangs), 0)
	})
	return w
}

// stop reports whether the work was late. A panic of the observer continues here,
// where the server can recover it.
func (w *watch) stop() (late bool) {
	if w.timer.Stop() {
		return false
	}
	<-w.done
	if w.panicked != nil {
		panic(w.panicked)
	}
	return true
}
