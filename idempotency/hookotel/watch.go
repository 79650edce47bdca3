package hookotel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/hookonce/hookonce/idempotency/inbox"
)

const (
	// sampleEvery is how old a sample may get, however often metrics are read.
	sampleEvery = 30 * time.Second

	// sampleTimeout bounds a sample, which a scrape waits for.
	sampleTimeout = 5 * time.Second

	// sampleLimit is how many events of an endpoint and a state are counted.
	sampleLimit = 10_000
)

// Watch makes gauges of what is in b for the endpoints: how many events wait, are blocked
// by another of their group, or are dead, and the age of the oldest that waits or is
// blocked, which is taken to be the first that is due.
//
// A sample is taken when the metrics are read, at most every 30 seconds; reads between two
// samples repeat the last one. It counts up to 10,000 events of each state, so 10,000 means
// as many or more. If it fails, or takes more than five seconds, the gauges are absent
// until the next one, and the error goes to OpenTelemetry's error handler.
//
// Every process that watches reports the same events: aggregate with max, not with sum.
func (t *Telemetry) Watch(b *inbox.Inbox, endpoints ...Endpoint) error {
	if b == nil || len(endpoints) == 0 {
		return errors.New("hookotel: Watch without an inbox, or without endpoints")
	}
	s := &sampler{box: b}
	for _, e := range endpoints {
		t.begin(e)
		s.endpoints = append(s.endpoints, e.Name())
	}
	_, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		levels, err := s.sample(ctx)
		for _, l := range levels {
			name := destination.String(l.endpoint)
			for state, n := range l.events {
				o.ObserveInt64(t.inInbox, int64(n), metric.WithAttributes(name, eventState.String(state.String())))
			}
			o.ObserveFloat64(t.oldest, l.oldest.Seconds(), metric.WithAttributeSet(attribute.NewSet(name)))
		}
		return err
	}, t.inInbox, t.oldest)
	return err
}

// A sampler looks into an inbox now and then.
type sampler struct {
	box       *inbox.Inbox
	endpoints []string

	mu     sync.Mutex // guards what follows, and has one look at a time
	at     time.Time  // of the last look
	levels []level    // nil if it failed
}

// A level is what an inbox holds for an endpoint.
type level struct {
	endpoint string
	events   map[inbox.State]int
	oldest   time.Duration
}

// sample returns the last sample, or a new one if that is old.
func (s *sampler) sample(ctx context.Context) ([]level, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && time.Since(s.at) < sampleEvery {
		return s.levels, nil
	}
	// Who reads the metrics may give up; the sample is also for the next one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sampleTimeout)
	defer cancel()
	levels, err := s.look(ctx)
	s.levels, s.at = levels, time.Now()
	return levels, err
}

func (s *sampler) look(ctx context.Context) ([]level, error) {
	levels := make([]level, 0, len(s.endpoints))
	for _, endpoint := range s.endpoints {
		l := level{endpoint: endpoint, events: make(map[inbox.State]int)}
		for _, state := range []inbox.State{inbox.Waiting, inbox.Blocked, inbox.Dead} {
			n, err := s.box.Count(ctx, endpoint, state, sampleLimit)
			if err != nil {
				return nil, fmt.Errorf("hookotel: sample of the inbox: %w", err)
			}
			l.events[state] = n
			if state == inbox.Dead {
				continue
			}
			first, err := s.box.List(ctx, endpoint, state, nil, 1)
			if err != nil {
				return nil, fmt.Errorf("hookotel: sample of the inbox: %w", err)
			}
			for _, e := range first {
				l.oldest = max(l.oldest, e.Age)
			}
		}
		levels = append(levels, l)
	}
	return levels, nil
}
