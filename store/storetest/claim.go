package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

func claimChecks() []check {
	return []check{
		{
			"a claim of a new key wins with token 1 and attempt 1",
			"The first delivery of an event must run, and its fencing token must be known.",
			newKeyWins,
		},
		{
			"a claim of a claimed key loses and reads the record in the way",
			"Two deliveries would be processed at once, or the sender would not learn when to retry.",
			claimedKeyLoses,
		},
		{
			"a claim of a done key loses and reads the record in the way",
			"A duplicate would be applied again, or a delivery be called a duplicate of nothing.",
			doneKeyLoses,
		},
		{
			"a done record stays done after its lease has expired",
			"Every event would be applied again once the time of its lease has passed.",
			doneStaysDone,
		},
		{
			"token and attempts grow by one with every claim",
			"An owner that was too slow could not be told from the one that took over.",
			tokenGrows,
		},
		{
			"of concurrent claims of a free key exactly one wins",
			"Deliveries that arrive at the same moment would all be applied.",
			func(t *trial) { oneWinner(t, func(idempotency.Key) {}, 1) },
		},
		{
			"of concurrent claims of a released key exactly one wins",
			"Deliveries that wait for an attempt to fail would all be applied.",
			func(t *trial) {
				oneWinner(t, func(key idempotency.Key) {
					c, _ := t.win(key, terms(long))
					t.release(c, lease.Failure{})
				}, 2)
			},
		},
		{
			"of concurrent claims of a key whose lease has expired exactly one wins",
			"After a crash, the deliveries that wait until the lease expires would all be applied.",
			func(t *trial) {
				oneWinner(t, func(key idempotency.Key) {
					t.win(key, terms(time.Millisecond))
					time.Sleep(2 * precision)
				}, 2)
			},
		},
		{
			"claims of different keys do not stand in each other's way",
			"Events of different keys would be called duplicates of each other and be lost.",
			otherKeysWin,
		},
	}
}

func newKeyWins(t *trial) {
	terms := terms(long)
	_, rec := t.win(t.key, terms)
	t.wantRecord("record of the claim", rec, lease.Record{
		State: lease.Claimed, Owner: terms.Owner, Token: 1, Attempts: 1,
	})
}

func claimedKeyLoses(t *trial) {
	_, rec := t.win(t.key, terms(long))
	for range 3 {
		t.wantRecord("record that the loser reads", t.lose(t.key, terms(long)), rec)
	}
}

func doneKeyLoses(t *trial) {
	c, rec := t.win(t.key, terms(long))
	t.complete(c, nil)
	rec.State = lease.Done
	for range 3 {
		t.wantRecord("record that the loser reads", t.lose(t.key, terms(long)), rec)
	}
}

func doneStaysDone(t *trial) {
	c, rec := t.win(t.key, terms(short))
	t.complete(c, nil)
	time.Sleep(2 * short)
	rec.State = lease.Done
	t.wantRecord("record that the loser reads", t.lose(t.key, terms(long)), rec)
}

func tokenGrows(t *trial) {
	claims := int64(0)
	want := func(what string, rec lease.Record) {
		t.Helper()
		claims++
		if rec.Token != claims || rec.Attempts != int(claims) {
			t.Errorf("%s: token %d, attempts %d, want %d of both", what, rec.Token, rec.Attempts, claims)
		}
	}
	c, rec := t.win(t.key, terms(long))
	want("first claim", rec)
	for range 3 {
		t.release(c, lease.Failure{Reason: "tried"})
		_, rec = t.win(t.key, terms(short))
		want("claim after a release", rec)
		c, rec = t.steal(t.key, terms(long))
		want("claim after the end of a lease", rec)
	}
}

// oneWinner has many callers claim keys that before has made free, and checks
// that for each key one of them wins, with the given token, and that all others
// read what it has written.
func oneWinner(t *trial, before func(idempotency.Key), token int64) {
	for round := range 8 {
		key := t.sibling(fmt.Sprint("round ", round))
		before(key)
		var mu sync.Mutex
		var winners []lease.Owner
		seen := map[lease.Owner]int{}
		t.together(callers, func(int) error {
			terms := terms(long)
			rec, won, err := t.store.Claim(t.Context(), key, terms)
			if err != nil {
				return fmt.Errorf("claim: %w", err)
			}
			if rec.State != lease.Claimed || rec.Token != token {
				return fmt.Errorf("won is %t, and the record is %+v, want Claimed with token %d", won, rec, token)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[rec.Owner]++
			if won {
				winners = append(winners, terms.Owner)
			}
			return nil
		})
		if len(winners) != 1 {
			t.Fatalf("%d of %d concurrent claims have won, want 1", len(winners), callers)
		}
		if got := seen[winners[0]]; got != callers {
			t.Fatalf("%d of %d callers have read the winner's record; all read the owners %v", got, callers, seen)
		}
	}
}

func otherKeysWin(t *trial) {
	t.together(callers, func(i int) error {
		for j := range 8 {
			key := t.sibling(fmt.Sprint(i, " ", j))
			terms := terms(long)
			rec, won, err := t.store.Claim(t.Context(), key, terms)
			if err != nil {
				return fmt.Errorf("claim: %w", err)
			}
			if !won {
				return fmt.Errorf("the claim of a new key lost to the record %+v", rec)
			}
			c := lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}
			if err := t.store.Complete(t.Context(), c, nil); err != nil {
				return fmt.Errorf("complete: %w", err)
			}
		}
		return nil
	})
}
