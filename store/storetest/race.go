package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

func raceChecks() []check {
	checks := []check{
		{
			"when the winner releases, those that wait take turns and all are served",
			"A failed delivery with many repetitions waiting is when databases deadlock and events get lost.",
			turns,
		},
		{
			"under random load every event is completed once and every claim has a token of its own",
			"What no single check provokes shows here: two owners at once, lost claims, tokens given twice.",
			soak,
		},
	}
	for _, a := range acts() {
		checks = append(checks, check{
			"of a late " + a.name + " and a claim at the same time exactly one succeeds",
			"An owner whose lease has expired would act on a record that it read before another claimed it.",
			func(t *trial) { lateAct(t, a) },
		})
	}
	return checks
}

// lateAct lets an owner whose lease has expired act while others claim the key. A
// release makes the key free, so there both may succeed, one after the other.
func lateAct(t *trial, a act) {
	const rounds = 24
	claims := make([]lease.Claim, rounds)
	for i := range claims {
		claims[i], _ = t.win(t.sibling(fmt.Sprint(a.name, " ", i)), marked(time.Millisecond))
	}
	time.Sleep(2 * precision)
	for round, c := range claims {
		var acted error
		var won atomic.Int32
		callers := 2 + round%3 // with few of them, the owner is often the first
		t.together(callers, func(i int) error {
			if i == round%callers {
				acted = a.do(t.Context(), t.store, c)
				return nil
			}
			_, ok, err := t.store.Claim(t.Context(), c.Key, marked(long))
			if ok {
				won.Add(1)
			}
			return err
		})
		if acted != nil && !errors.Is(acted, idempotency.ErrLeaseLost) {
			t.Fatalf("%s: %v", a.name, acted)
		}
		rec := t.peek(c.Key)
		want := lease.Claimed
		switch {
		case acted == nil && a.name == "complete":
			want = lease.Done
		case acted == nil && a.name == "release" && won.Load() == 0:
			want = lease.Released
		}
		succeeded := won.Load()
		if acted == nil && a.name != "release" {
			succeeded++
		}
		if succeeded > 1 || succeeded == 0 && acted != nil || rec.State != want || rec.Token != 1+int64(won.Load()) {
			t.Fatalf("%s = %v, and %d claims have won; the record is %+v, want it %v with token %d",
				a.name, acted, won.Load(), rec, want, 1+won.Load())
		}
	}
}

func turns(t *trial) {
	first, _ := t.win(t.key, terms(long))
	var working, served atomic.Int32
	t.together(callers+1, func(i int) error {
		if i == callers {
			time.Sleep(2 * pause)
			return t.store.Release(t.Context(), first, lease.Failure{Reason: "first"})
		}
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
			terms := terms(long)
			rec, won, err := t.store.Claim(t.Context(), t.key, terms)
			if err != nil {
				return fmt.Errorf("claim: %w", err)
			}
			if !won {
				continue
			}
			if n := working.Add(1); n != 1 {
				return fmt.Errorf("%d owners hold the key at once", n)
			}
			served.Add(1)
			working.Add(-1)
			c := lease.Claim{Key: t.key, Owner: terms.Owner, Token: rec.Token}
			if err := t.store.Release(t.Context(), c, lease.Failure{Reason: "again"}); err != nil {
				return fmt.Errorf("release: %w", err)
			}
			return nil
		}
		return fmt.Errorf("no claim has won within %v", patience)
	})
	_, rec := t.win(t.key, terms(long))
	if want := int64(served.Load()) + 2; served.Load() != callers || rec.Token != want {
		t.Errorf("%d of %d were served, and the next token is %d, want %d", served.Load(), callers, rec.Token, want)
	}
}

// A ledger is what the soak knows of one event.
type ledger struct {
	mu        sync.Mutex
	tokens    map[int64]bool // of claims that have won
	completed int
}

func soak(t *trial) {
	const keys, steps = 6, 60
	books := make([]ledger, keys)
	for i := range books {
		books[i].tokens = map[int64]bool{}
	}
	key := func(i int) idempotency.Key { return t.sibling(fmt.Sprint("event ", i)) }
	t.together(callers, func(caller int) error {
		random := rand.New(rand.NewPCG(1, uint64(caller)))
		for range steps {
			i := random.IntN(keys)
			if err := t.step(random, key(i), &books[i]); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range books {
		t.balance(key(i), &books[i])
	}
}

// step delivers the event once: claims it, and, if that wins, renews, crashes,
// fails or succeeds at random.
func (t *trial) step(random *rand.Rand, key idempotency.Key, l *ledger) error {
	length := long
	crash := random.IntN(3) == 0
	if crash {
		length = time.Millisecond
	}
	terms := terms(length)
	rec, won, err := t.store.Claim(t.Context(), key, terms)
	if err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	if !won {
		time.Sleep(time.Millisecond)
		return nil
	}
	l.mu.Lock()
	twice := l.tokens[rec.Token]
	l.tokens[rec.Token] = true
	done := l.completed
	l.mu.Unlock()
	switch {
	case twice:
		return fmt.Errorf("token %d was given twice", rec.Token)
	case done > 0 && !crash:
		return fmt.Errorf("a claim has won after the event was completed: %+v", rec)
	}
	return t.finish(random, lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}, crash, l)
}

func (t *trial) finish(random *rand.Rand, c lease.Claim, crash bool, l *ledger) error {
	if crash {
		time.Sleep(2 * time.Millisecond) // and act too late
	}
	err := t.store.Renew(t.Context(), c, long)
	if crash && errors.Is(err, idempotency.ErrLeaseLost) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("renewal of claim %d: %w", c.Token, err)
	}
	if random.IntN(20) > 0 {
		if err := t.store.Release(t.Context(), c, lease.Failure{Reason: "at random"}); err != nil {
			return fmt.Errorf("release of claim %d, which has been renewed: %w", c.Token, err)
		}
		return nil
	}
	if err := t.store.Complete(t.Context(), c, nil); err != nil {
		return fmt.Errorf("completion of claim %d, which has been renewed: %w", c.Token, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.completed++
	return nil
}

// balance finishes the event and checks that as many claims have won as the
// record says, each with the next token, and that one of them completed it.
func (t *trial) balance(key idempotency.Key, l *ledger) {
	rec, won := t.claim(key, terms(long))
	claims := len(l.tokens)
	if won {
		claims++
		t.complete(lease.Claim{Key: key, Owner: rec.Owner, Token: rec.Token}, nil)
		l.completed++
	}
	if l.completed != 1 {
		t.Errorf("%v was completed %d times, want once", key, l.completed)
	}
	if rec.Token != int64(claims) || rec.Attempts != claims {
		t.Errorf("%v was claimed %d times, but its record is %+v", key, claims, rec)
	}
}
