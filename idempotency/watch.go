package idempotency

import (
	"errors"
	"net/http"
	"time"
)

// grace is how long work may take to notice that its time is up, and the runner to
// record that.
const grace = 2 * time.Second

var errHangs = errors.New("the work ignores the end of its context, or the store does not answer")

// A watch waits for the deadline of work, plus grace. Nothing that the work still does
// can be committed then. So other deliveries of the event go on, the observer hears of
// it, and the sender is answered, all while the work still hangs.
type watch struct {
	timer    *time.Timer
	done     chan struct{} // closed when the timer's function has returned
	status   int           // of the response that was sent
	panicked any           // what the observer panicked with
}

func (e *Endpoint[T]) watch(w http.ResponseWriter, p *passage, land func()) *watch {
	watch := &watch{done: make(chan struct{})}
	watch.timer = time.AfterFunc(time.Until(p.deadline)+grace, func() {
		defer close(watch.done)
		defer func() { watch.panicked = recover() }()
		// The response of the wrapped handler is that one's, which still runs.
		late := &passage{request: p.request, start: p.start, delivery: p.delivery, key: p.key, outer: p.outer}
		o := OutcomeOf(KindTimeout, errHangs)
		a := e.answerTo(o, late)
		watch.status = a.status
		defer a.flush(w, late)
		defer land()
		e.observe(late, o, a.status)
	})
	return watch
}

// stop returns the status of the response that was sent because the work was late, 0 if
// it was not. A panic of the observer continues here, where the server can recover it.
func (w *watch) stop() (status int) {
	if w.timer.Stop() {
		return 0
	}
	<-w.done
	if w.panicked != nil {
		panic(w.panicked)
	}
	return w.status
}

// flush writes an answer as a whole, while the handler that should return for it still
// runs. Over HTTP/1 the connection ends with it: it cannot take another request before
// the handler returns. Over HTTP/2 the client gets all of it but the end of the stream.
func (a answer) flush(w http.ResponseWriter, p *passage) {
	whole := &response{under: w, max: DefaultMaxResponse, header: p.outer.Clone()}
	a.write(whole, p.request)
	whole.WriteHeader(a.status) // if it has written nothing
	if whole.sent == nil {
		whole.sent = make(http.Header)
	}
	whole.sent.Set("Content-Length", "0") // which send corrects
	if p.request.ProtoMajor == 1 {
		whole.sent.Set("Connection", "close")
	}
	whole.send(w, p.request)
	http.NewResponseController(w).Flush()
}
