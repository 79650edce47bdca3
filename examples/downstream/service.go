package main

import (
	"fmt"
	"net/http"
	"sync"
)

// A service is another company's: it makes a payment for each Idempotency-Key that it
// has not seen.
type service struct {
	loseResponses bool

	mu       sync.Mutex
	payments []string
	requests map[string]int // by key
}

func (s *service) pay(w http.ResponseWriter, r *http.Request) {
	if s.record(r.Header.Get("Idempotency-Key"), r.FormValue("cents")+" to "+r.FormValue("to")) == 1 && s.loseResponses {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	fmt.Fprintln(w, "paid")
}

// record makes the payment unless it was made before, and returns how often it was
// requested.
func (s *service) record(key, payment string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests == nil {
		s.requests = map[string]int{}
	}
	s.requests[key]++
	if s.requests[key] == 1 {
		s.payments = append(s.payments, payment)
	}
	return s.requests[key]
}

func (s *service) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, payment := range s.payments {
		fmt.Fprintln(w, payment)
	}
}
