package torture

import (
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// An outsideLedger is another system in which events under a lease have their effect.
// It deduplicates by the key that the library passes on; seen counts the requests
// before that.
type outsideLedger struct {
	server   *http.Server
	listener net.Listener

	mu    sync.Mutex          // guards what follows
	seen  map[string]int      // effects asked for, by event
	keys  map[string]struct{} // that had their effect
	event map[string]int      // effects, by event

	hung, returned, failed *notes

	away atomic.Bool // it fails, and has no effect
}

func newOutsideLedger() (*outsideLedger, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &outsideLedger{
		listener: l,
		seen:     make(map[string]int),
		keys:     make(map[string]struct{}),
		event:    make(map[string]int),
		hung:     newNotes(),
		returned: newNotes(),
		failed:   newNotes(),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /effects/{key}/{event}", o.serve)
	mux.Handle("POST /notes/hung/{event}", o.hung)
	mux.Handle("POST /notes/returned/{event}", o.returned)
	mux.Handle("POST /notes/failed/{event}", o.failed)
	mux.HandleFunc("POST /dependency", func(w http.ResponseWriter, _ *http.Request) { o.refuse(w) })
	o.server = &http.Server{Handler: mux}
	go o.server.Serve(l)
	return o, nil
}

func (o *outsideLedger) url() string { return "http://" + o.listener.Addr().String() }

func (o *outsideLedger) close() { o.server.Close() }

// serve applies the effect of a key once. Sometimes it is slow, and sometimes it
// fails after the effect, so that the caller does not know the outcome.
func (o *outsideLedger) serve(w http.ResponseWriter, r *http.Request) {
	if o.refuse(w) {
		return
	}
	key, event := r.PathValue("key"), r.PathValue("event")
	o.mu.Lock()
	o.seen[event]++
	if _, done := o.keys[key]; !done {
		o.keys[key] = struct{}{}
		o.event[event]++
	}
	o.mu.Unlock()
	switch rand.N(50) {
	case 0:
		http.Error(w, "failed after the effect", http.StatusInternalServerError)
	case 1:
		time.Sleep(rand.N(100 * time.Millisecond))
	}
}

// refuse fails, with an answer or without, if the system is away.
func (o *outsideLedger) refuse(w http.ResponseWriter) bool {
	if !o.away.Load() {
		return false
	}
	if rand.N(2) == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusBadGateway)
	return true
}

// effects returns the effects by event, and the number of requests that repeated
// one.
func (o *outsideLedger) effects() (done map[string]int, repeated int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	done = maps.Clone(o.event)
	for _, n := range o.seen {
		repeated += n - 1
	}
	return done, repeated
}
