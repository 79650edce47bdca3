package idempotency

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// An Event is one thing that happened, for observers. It never holds a body or a
// result.
type Event struct {
	Kind     Kind
	Endpoint string        // the endpoint's name
	Key      Key           // zero if it is not known
	Attempt  int           // of the event; 0 if not counted
	Status   int           // of the response; 0 without one
	Duration time.Duration // since the delivery arrived
	Count    int           // of records, for KindPurged; of events that were accepted together
	Err      error         // why, where there is a reason
}

// An Observer sees what happens to deliveries and events, as it happens. Metrics and
// logs are made from it. Set one in the options of the store or the lease.Runner;
// every endpoint that uses it reports there: each delivery ends in one Event, and
// so does every response that a handler did not write. If a request carries several
// events, each of them ends in one, without a Status; so do, together, those that were
// not begun.
//
// An Observer is called concurrently, on the goroutine that does the work or renews
// its lease, so it must be quick. If it panics while the work runs, so does the
// work.
//
// Setting one replaces [LogFailures], which is the default; call it from yours to keep
// the log.
type Observer func(ctx context.Context, e Event)

// LogFailures is the default [Observer]. It logs, through the default logger of
// log/slog, what went wrong: each delivery that was not processed, once, with the
// endpoint, the event's ID and the error. The level is WARN for what the client may be to
// blame for (refused requests, and work that failed with a 4xx), ERROR for the rest.
// Completed events, duplicates and events in flight are not logged.
func LogFailures(ctx context.Context, e Event) {
	p := e.Kind.properties()
	level := p.level
	switch {
	case e.Kind == KindPurged && e.Err != nil:
		level, p = slog.LevelError, KindStoreError.properties()
	case e.Kind == KindFailed && (e.Status/100 == 4 || IsAnswer(e.Err)):
		level = slog.LevelWarn
	case e.Kind == KindRefused && e.Status/100 == 5:
		level = slog.LevelError // of ours, such as keys that could not be found
	}
	if !p.logged {
		return
	}
	attrs := make([]slog.Attr, 0, 6)
	if e.Endpoint != "" {
		attrs = append(attrs, slog.String("endpoint", e.Endpoint))
	}
	if e.Kind != KindInvalidKey { // whose parts can be of any length
		if _, tenant, ok := strings.Cut(e.Key.Scope, "/"); ok {
			attrs = append(attrs, slog.String("tenant", tenant))
		}
		if e.Key.ID != "" {
			attrs = append(attrs, slog.String("id", e.Key.ID))
		}
	}
	if e.Attempt > 0 {
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
	}
	if e.Status > 0 {
		attrs = append(attrs, slog.Int("status", e.Status))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	slog.Default().LogAttrs(ctx, level, p.message, attrs...)
}
