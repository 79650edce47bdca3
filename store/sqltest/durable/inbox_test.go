package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
)

// While the log is held back, an inbox accepts nothing, and does not believe what it sees
// of others: neither an entry nor a record. The server is killed; what was accepted is
// there.
func TestDurable_InboxAccepts(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		first, _ := newStore(t, s, false, time.Minute)
		second, _ := newStore(t, s, false, time.Second)
		all := map[string]func(ctx context.Context) error{
			"entry":         accept(first, "entry"),
			"entry of many": accept(first, "entry of many", "another"),
			"grouped entry": acceptGrouped(first, "grouped entry"),
			"done record":   func(ctx context.Context) error { return first.run(ctx, keyOf("done record"), effect("done record")) },
		}
		ended := make(map[string]chan error)
		ctx := context.WithoutCancel(t.Context())
		release := s.hold(t)
		defer release()
		for name, f := range all {
			ended["first of "+name] = start(ctx, f)
		}
		time.Sleep(2 * time.Second) // in which all of them get to their COMMIT
		for name := range all {
			ended["copy of "+name] = start(ctx, accept(second, name))
			ended["copy among others of "+name] = start(ctx, accept(second, "new with "+name, name))
		}
		time.Sleep(2 * time.Second)
		for name, c := range ended {
			select {
			case err := <-c:
				c <- err
				if err == nil {
					t.Errorf("%s: was acknowledged while the log was held back", name)
				}
			default:
			}
		}
		s.kill(t)
		release()
		s.start(t)
		looked, _ := newStore(t, s, false, 20*time.Second)
		for name := range all {
			acknowledged := false
			for _, what := range []string{"first of ", "copy of ", "copy among others of "} {
				acknowledged = <-ended[what+name] == nil || acknowledged
			}
			if acknowledged && !kept(t, looked, name) {
				t.Errorf("%s: lost: it was acknowledged, and is not there after the crash", name)
			}
			if err := accept(looked, name)(t.Context()); err != nil || !kept(t, looked, name) {
				t.Errorf("%s: accepted after the crash: error %v", name, err)
			}
		}
	})
}

// While the standby is away, an inbox accepts nothing: not when the contexts of the first
// deliveries have ended, nor when the primary shows their entries to copies, nor when it
// has restarted. What was accepted is on the standby when that is promoted.
func TestDurable_InboxStandby(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, c *cluster) {
		first, _ := newStore(t, c.primary, false, time.Minute)
		all := map[string]func(context.Context) error{
			"entry":         accept(first, "entry"),
			"entry of many": accept(first, "entry of many", "another"),
			"grouped entry": acceptGrouped(first, "grouped entry"),
		}
		acknowledged := make(map[string]bool)
		if err := accept(first, "before")(t.Context()); err != nil {
			t.Fatal(err)
		}
		acknowledged["before"] = true
		c.standby.kill(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		ended := make(map[string]chan error)
		for name, f := range all {
			ended[name] = start(ctx, f)
		}
		copies := func(when string) {
			second, _ := newStore(t, c.primary, false, time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			ended := make(map[string]chan error)
			for name := range all {
				ended[name] = start(ctx, accept(second, name))
			}
			for name, c := range ended {
				if err := <-c; err == nil {
					t.Errorf("%s: a copy %s was acknowledged", name, when)
					acknowledged[name] = true
				}
			}
		}
		copies("while the commit waits")
		for name, c := range ended {
			if err := <-c; err == nil {
				t.Errorf("%s: acknowledged, and the standby does not have it", name)
				acknowledged[name] = true
			}
		}
		copies("after the context has ended")
		c.restartPrimary(t)
		looked, _ := newStore(t, c.primary, false, time.Second)
		for name := range all {
			if _, err := looked.Entry(t.Context(), keyOf(name)); err != nil {
				t.Errorf("%s: not shown after the restart: %v", name, err)
			}
		}
		copies("after the restart")
		c.failOver(t)
		promoted, _ := newStore(t, c.standby, false, time.Second)
		for name := range acknowledged {
			if !kept(t, promoted, name) {
				t.Errorf("%s: lost: it was acknowledged, and the promoted standby does not have it", name)
			}
		}
		if kept(t, promoted, "another") {
			t.Error("the standby has what was stored while it was away: it was not away")
		}
	})
}

func accept(q inbox.Queue, names ...string) func(context.Context) error {
	return acceptAll(q, "", names)
}

func acceptGrouped(q inbox.Queue, name string) func(context.Context) error {
	return acceptAll(q, "group", []string{name})
}

func acceptAll(q inbox.Queue, group string, names []string) func(context.Context) error {
	return func(ctx context.Context) error {
		var entries []inbox.Entry
		for _, name := range names {
			entries = append(entries, inbox.Entry{Key: keyOf(name), Group: group, Delivery: hmacverify.Stored{Scheme: "test", Body: []byte("{}")}})
		}
		_, err := q.Enqueue(ctx, entries)
		return err
	}
}

// kept reports whether there is an entry, with its payload, or a record that is done.
func kept(t *testing.T, q inbox.Queue, name string) bool {
	t.Helper()
	_, err := q.Entry(t.Context(), keyOf(name))
	if errors.Is(err, idempotency.ErrNotFound) {
		results, err := q.Enqueue(t.Context(), []inbox.Entry{{Key: keyOf(name), Delivery: hmacverify.Stored{Scheme: "test"}}})
		return err == nil && results[0].Done
	}
	if err == nil {
		_, err = q.Payload(t.Context(), keyOf(name))
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return err == nil
}
