package main

import (
	"fmt"
	"net/http"
	"sync"
)

// A service is somebody else's: it makes a payment for each Idempotency-Key that
// it has not seen.
type service struct {
	loseAnswers bool

	mu       sync.Mutex
	payments []string
	asked    map[string]int // how often, by key
}

func (s *service) pay(w http.ResponseWriter, r *http.Request) {
	if s.record(r.Header.Get("Idempotency-Key"), r.FormValue("cents")+" to "+r.FormValue("to")) == 1 && s.loseAnswers {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	fmt.Fprintln(w, "paid")
}

// record makes the payment unless it was made, and returns how often it was asked
// for.
func (s *service) record(key, payment string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[key]++
	if s.asked[key] == 1 {
		s.payments = append(s.payments, payment)
	}
	return s.asked[key]
}

func (s *service) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, payment := range s.payments {
		fmt.Fprintln(w, payment)
	}
}
