package torture

import (
	"maps"
	"net/http"
	"sync"
)

// Notes count what the servers report of events.
type notes struct {
	mu sync.Mutex // guards of
	of map[string]int
}

func newNotes() *notes { return &notes{of: make(map[string]int)} }

// ServeHTTP answers 201 to the first report of an event, and 200 to others.
func (n *notes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	event := r.PathValue("event")
	n.of[event]++
	if n.of[event] == 1 {
		w.WriteHeader(http.StatusCreated)
	}
}

// count returns the number of events.
func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.of)
}

func (n *notes) counts() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.of)
}
