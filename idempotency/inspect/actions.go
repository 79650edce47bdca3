package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// An action is what a viewer may do with an event, or with all dead events of an endpoint.
type action struct {
	Do      string
	Label   string // of the button
	Explain string // what will happen
	Did     string // what has happened

	one     bool // with one event
	allowed func(v Viewer) bool
	fits    func(entry inbox.State, record lease.State, payload bool) bool
	do      func(ctx context.Context, s Store, key idempotency.Key) error
}

var actions = []action{
	{
		Do: "redeliver", Label: "Redeliver", one: true,
		Explain: "The event is processed again from its stored payload, by the inbox of this endpoint, at once and with all of its attempts.",
		Did:     "The event waits to be processed again.",
		allowed: func(v Viewer) bool { return v.Redeliver },
		fits: func(entry inbox.State, record lease.State, payload bool) bool {
			return payload && (entry == inbox.Dead || entry == 0 && record == lease.Dead)
		},
		do: func(ctx context.Context, s Store, key idempotency.Key) error { return s.Redeliver(ctx, key) },
	},
	{
		Do: "retry", Label: "Allow the sender to retry", one: true,
		Explain: "The event is no longer dead: the next delivery by the sender is processed. Nothing happens until the sender delivers it.",
		Did:     "The next delivery of the event is processed.",
		allowed: func(v Viewer) bool { return v.Redeliver },
		fits: func(entry inbox.State, record lease.State, _ bool) bool {
			return entry == 0 && record == lease.Dead
		},
		do: func(ctx context.Context, s Store, key idempotency.Key) error { return s.Retry(ctx, key) },
	},
	{
		Do: "forget", Label: "Forget", one: true,
		Explain: "The record of the event and its payload are deleted. If the sender delivers it again, it is processed again, even if it was done before.",
		Did:     "The event was forgotten.",
		allowed: func(v Viewer) bool { return v.Forget },
		fits: func(entry inbox.State, record lease.State, _ bool) bool {
			return entry != inbox.InFlight && record != lease.Claimed
		},
		do: func(ctx context.Context, s Store, key idempotency.Key) error { return s.Forget(ctx, key) },
	},
	{
		Do: "redeliver all", Label: "Redeliver all",
		Explain: "All dead events of this endpoint are processed again from their stored payloads, a thousand at a time.",
		Did:     "The events wait to be processed again.",
		allowed: func(v Viewer) bool { return v.Redeliver },
	},
}

// One reports whether the action is done with one event.
func (a *action) One() bool { return a.one }

func actionOf(name string) *action {
	for i := range actions {
		if actions[i].Do == name {
			return &actions[i]
		}
	}
	return nil
}

// asked returns the action that the request names, if the viewer may do it.
func (q *request) asked() (*action, error) {
	a := actionOf(q.parameter("do"))
	switch {
	case a == nil:
		return nil, &refusal{http.StatusNotFound, "There is no such action."}
	case !a.allowed(q.viewer):
		return nil, &refusal{http.StatusForbidden, "You may not do this."}
	}
	return a, nil
}

type confirmData struct {
	Action *action
	Key    idempotency.Key // of one event
	Target string          // the link that does it
	Back   string
	Count  stateCount // of the events, for "redeliver all"
}

// confirm asks whether to do something.
func (q *request) confirm() error {
	a, err := q.asked()
	if err != nil {
		return err
	}
	data := confirmData{Action: a}
	if a.one {
		if data.Key, err = q.key(); err != nil {
			return err
		}
		data.Target = link("do", "do", a.Do, "scope", data.Key.Scope, "id", data.Key.ID)
		data.Back = eventLink("event", data.Key)
		return q.show("confirm", a.Label+"?", data)
	}
	endpoint, err := q.endpoint()
	if err != nil {
		return err
	}
	n, err := q.page.store.Count(q.Context(), endpoint, inbox.Dead, maxCount)
	if err != nil {
		return err
	}
	data.Key.Scope, data.Count = endpoint, stateCount{inbox.Dead, n}
	data.Target = link("do", "do", a.Do, "endpoint", endpoint)
	data.Back = link("entries", "endpoint", endpoint, "state", inbox.Dead.String())
	return q.show("confirm", a.Label+"?", data)
}

// do does what was asked for, and redirects to what has become of it.
func (q *request) do() error {
	a, err := q.asked()
	if err != nil {
		return err
	}
	if !a.one {
		return q.redeliverAll(a)
	}
	key, err := q.key()
	if err != nil {
		return err
	}
	err = a.do(q.Context(), q.page.store, key)
	q.audit(Action{Do: a.Do, Key: key, Err: err})
	if err != nil {
		return err
	}
	if a.Do == "forget" {
		return q.show("message", "Forgotten", a.Did)
	}
	return q.redirect(eventLink("event", key) + "&did=" + a.Do)
}

// atOnce is how many events "redeliver all" redelivers at most.
const atOnce = 1000

func (q *request) redeliverAll(a *action) error {
	endpoint, err := q.endpoint()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), time.Minute)
	defer cancel()
	n, err := redeliverDead(ctx, q.page.store, endpoint)
	q.audit(Action{Do: a.Do, Key: idempotency.Key{Scope: endpoint}, Count: n, Err: err})
	if err != nil {
		return err
	}
	return q.show("message", "Redelivered", fmt.Sprintf("%d events wait to be processed again.", n))
}

func redeliverDead(ctx context.Context, s Store, endpoint string) (n int, err error) {
	var after *inbox.Status
	for n < atOnce {
		page, err := s.Entries(ctx, endpoint, inbox.Dead, after, pageSize)
		if err != nil {
			return n, err
		}
		for _, e := range page {
			switch err := s.Redeliver(ctx, e.Key); {
			case err == nil:
				n++
			case !errors.Is(err, idempotency.ErrNotDead) && !errors.Is(err, idempotency.ErrNotFound): // by another viewer
				return n, err
			}
		}
		if len(page) < pageSize {
			break
		}
		after = &page[len(page)-1]
	}
	return n, nil
}

// audit reports an action, also if its context has ended.
func (q *request) audit(a Action) {
	a.Viewer = q.viewer.Name
	q.page.o.Audit(context.WithoutCancel(q.Context()), a)
}

// redirect sends the browser to a page of ours, by a relative link.
func (q *request) redirect(to string) error {
	q.w.Header().Set("Location", to)
	q.w.WriteHeader(http.StatusSeeOther)
	return nil
}
