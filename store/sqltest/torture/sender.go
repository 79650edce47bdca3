package torture

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// An event is delivered several times, until each of its copies is acknowledged.
type event struct {
	mode       mode
	id         string
	doomed     bool         // its work always fails
	only       *slot        // of the server that it is delivered to; nil: all
	accepted   atomic.Int32 // copies that were answered 2xx
	duplicates atomic.Int32 // 409
	buried     atomic.Int32 // 409, because the event is dead
	givenUp    atomic.Int32
}

func (e *event) acknowledged() bool { return e.accepted.Load()+e.duplicates.Load()+e.buried.Load() > 0 }

// contented reports whether the sender of the event retries no copy of it when one was
// acknowledged. What was acknowledged too early is lost then. For other events each
// copy is retried until it is acknowledged.
func contented(event string) bool { return hashOf(event)%2 == 0 }

// A sender creates events and delivers them.
type sender struct {
	fleet   *fleet
	client  *http.Client
	signers map[mode]*hmacverify.Signer
	tally   *tally

	patience time.Duration // for an answer
	doom     time.Duration // the pause between deliveries of a doomed event; 0: there are none
	only     mode          // of all events; "": each has its turn

	mu     sync.Mutex // guards events
	events []*event
}

func newSender(f *fleet, patience, doom time.Duration) (*sender, error) {
	s := &sender{
		fleet:   f,
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second}},
		signers: make(map[mode]*hmacverify.Signer),
		tally:   newTally(),

		patience: patience,
		doom:     doom,
	}
	for _, m := range allModes {
		signer, err := hmacverify.NewSigner(scheme(m), nil, secret)
		if err != nil {
			return nil, err
		}
		s.signers[m] = signer
	}
	return s, nil
}

// newEvent returns an event of that mode, or of one after the other.
func (s *sender) newEvent(m mode) *event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m == "" && s.only != "" {
		m = s.only
	}
	if m == "" {
		among := allModes
		if s.doom > 0 {
			among = modes
		}
		m = among[len(s.events)%len(among)]
	}
	e := &event{mode: m, id: fmt.Sprintf("%s-%06d", m, len(s.events))}
	e.doomed = s.doom > 0 && doomed(e.id)
	s.events = append(s.events, e)
	return e
}

// allDone returns a function that reports whether the events are done that there are
// now, but for those that never are.
func (s *sender) allDone() func() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := slices.Clone(s.events)
	return func() bool {
		return !slices.ContainsFunc(events, func(e *event) bool { return !e.doomed && !e.acknowledged() })
	}
}

// earlier returns an event that was sent earlier.
func (s *sender) earlier(r *rand.Rand) *event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[r.IntN(len(s.events))]
}

// work delivers new events, one after the other, until enough returns true.
func (s *sender) work(ctx context.Context, seed uint64, enough func() bool) {
	r := rand.New(rand.NewPCG(seed, 0))
	for ctx.Err() == nil && !enough() {
		e := s.newEvent("")
		copies := 3
		switch {
		case e.doomed:
			copies = 1 // with pauses, so that each failure counts
		case r.IntN(200) == 0:
			copies = 30 // a storm
		}
		s.deliver(ctx, e, copies, r.Uint64())
		// Long after; but a doomed event is delivered with pauses, or it never dies.
		if e := s.earlier(r); r.IntN(10) == 0 && !e.doomed {
			s.deliver(ctx, e, 1, r.Uint64())
		}
	}
}

const (
	burstEvents     = 12
	duplicatesAfter = 400 * time.Millisecond
)

// burst starts to deliver new events, whose duplicates follow when the commits of the
// first copies are under way. Those of a lease would wait for its claim, with all
// connections.
func (s *sender) burst(ctx context.Context, started *sync.WaitGroup) {
	for range burstEvents {
		e := s.newEvent(transactional)
		seed := uint64(hashOf(e.id))
		started.Go(func() { s.deliver(ctx, e, 1, seed) })
		started.Go(func() {
			time.Sleep(duplicatesAfter)
			s.deliver(ctx, e, 2, seed+1)
		})
	}
}

// deliver delivers copies of e concurrently.
func (s *sender) deliver(ctx context.Context, e *event, copies int, seed uint64) {
	var wg sync.WaitGroup
	for i := range copies {
		wg.Go(func() { s.untilAcknowledged(ctx, e, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	wg.Wait()
}

// untilAcknowledged does what senders do: it retries with growing pauses after every
// answer except 2xx and 409.
func (s *sender) untilAcknowledged(ctx context.Context, e *event, r *rand.Rand) {
	pause := 10 * time.Millisecond
	for tries := 0; ctx.Err() == nil; tries++ {
		if tries > 0 && contented(e.id) && e.acknowledged() {
			return
		}
		status, kind := s.once(ctx, e, r)
		switch {
		case status/100 == 2:
			e.accepted.Add(1)
			return
		case status == http.StatusConflict && kind == string(idempotency.KindDead):
			e.buried.Add(1)
			return
		case status == http.StatusConflict:
			e.duplicates.Add(1)
			return
		}
		wait := pause/2 + time.Duration(r.Int64N(int64(pause)))
		if e.doomed {
			wait = s.doom
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		pause = min(2*pause, s.maxPause())
	}
	e.givenUp.Add(1)
}

// maxPause is less than an attempts' interval where attempts are bounded: while a
// dependency is away, all the failures of an event are to count once.
func (s *sender) maxPause() time.Duration {
	if s.doom > 0 {
		return 500 * time.Millisecond
	}
	return time.Second
}

// once delivers e once, to any server, and returns the status and the kind of the
// answer, 0 if there was none.
func (s *sender) once(ctx context.Context, e *event, r *rand.Rand) (status int, kind string) {
	timeout := s.patience
	if r.IntN(50) == 0 {
		timeout = time.Duration(1 + r.Int64N(int64(50*time.Millisecond))) // an impatient sender
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body := fmt.Sprintf(`{"eventId":%q}`, e.id)
	url := s.fleet.any(r)
	if e.only != nil {
		url = *e.only.url.Load()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/"+string(e.mode), strings.NewReader(body))
	if err == nil {
		err = s.signers[e.mode].Sign(req.Header, []byte(body))
	}
	if err != nil {
		panic(err) // only a bug gets here
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.tally.add("no answer")
		return 0, ""
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	kind = resp.Header.Get(idempotency.StatusHeader)
	s.tally.add(strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", kind)))
	return resp.StatusCode, kind
}

// A tally counts deliveries by their answers.
type tally struct {
	mu      sync.Mutex // guards answers
	answers map[string]int
	total   atomic.Int64
}

func newTally() *tally { return &tally{answers: make(map[string]int)} }

func (t *tally) add(answer string) {
	t.total.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers[answer]++
}

func (t *tally) count(answer string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers[answer]
}

// unavailable counts the deliveries that an outage has stopped: a statement of the
// runner failed, or the work, or the time was up.
func (t *tally) unavailable() int {
	return t.count("503 unavailable") + t.count("503 failed") + t.count("503 timeout")
}

// expected are the acceptable answers. All deliveries are authentic, so that a
// refusal is a failure.
var expected = []string{"200", "202", "409", "500", "503", "no answer"}
