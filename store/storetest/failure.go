package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency/lease"
)

func failureChecks() []check {
	return []check{
		{
			"release frees the key at once",
			"A failed event would have to wait until an unused lease expires.",
			func(t *trial) {
				c, _ := t.win(t.key, terms(long))
				t.release(c, lease.Failure{Reason: "tried"})
				t.win(t.key, terms(long))
			},
		},
		{
			"release keeps token, attempts and reason",
			"A release that deletes forgets how often an event has failed, and reuses fencing tokens.",
			releaseKeeps,
		},
		{
			"the reason of the latest failure is kept through claims and completion",
			"People who look for the cause of a late event would not find it.",
			reasonKept,
		},
		{
			"reasons are kept exactly, up to MaxReasonBytes",
			"A reason in another script, or a long one, would fail the release and hold the key.",
			reasonsExact,
		},
		{
			"a permanent release makes the event dead, and no claim wins",
			"An event that can never succeed would be retried forever.",
			deadRelease,
		},
		{
			"exactly MaxAttempts claims win, then the released event is dead",
			"A poisonous event would be retried forever, or a healthy one given up too early.",
			func(t *trial) {
				maxAttempts(t, func(terms lease.Terms) {
					c, _ := t.win(t.key, terms)
					t.release(c, lease.Failure{Reason: "tried"})
				})
			},
		},
		{
			"attempts that ended in a crash count towards MaxAttempts",
			"An event that kills its process would kill one process after another.",
			func(t *trial) {
				maxAttempts(t, func(terms lease.Terms) {
					terms.Lease = short
					t.steal(t.key, terms)
					time.Sleep(short + 2*precision)
				})
			},
		},
		{
			"claims within AttemptInterval of a failure do not count",
			"A burst of deliveries during a short outage would make a healthy event dead.",
			burstCountsOnce,
		},
		{
			"a claim after AttemptInterval counts",
			"A poisonous event would be retried forever.",
			func(t *trial) {
				spaced := spaced(2 * precision)
				c, _ := t.win(t.key, spaced())
				t.release(c, lease.Failure{Reason: "tried"})
				time.Sleep(4 * precision)
				if _, rec := t.win(t.key, spaced()); rec.Attempts != 2 || !rec.Counted {
					t.Errorf("Attempts = %d, Counted = %t, want 2 and true", rec.Attempts, rec.Counted)
				}
			},
		},
		{
			"a claim of an expired lease counts within AttemptInterval",
			"An event that kills its process would kill one process after another.",
			func(t *trial) {
				spaced := spaced(long)
				first := spaced()
				first.Lease = short
				t.win(t.key, first)
				if _, rec := t.steal(t.key, spaced()); rec.Attempts != 2 || !rec.Counted {
					t.Errorf("Attempts = %d, Counted = %t, want 2 and true", rec.Attempts, rec.Counted)
				}
			},
		},
		{
			"an uncounted release takes the attempt back",
			"An event would be given up because of answers that are no failures.",
			uncountedRelease,
		},
		{
			"a live claim is not dead, however few attempts a later one allows",
			"A delivery would be answered as dead though its work is about to succeed.",
			func(t *trial) {
				c, rec := t.win(t.key, terms(long))
				once := terms(long)
				once.MaxAttempts = 1
				t.wantRecord("record", t.lose(t.key, once), rec)
				t.complete(c, nil)
			},
		},
		{
			"a done event is not dead, however few attempts a later claim allows",
			"A duplicate would be answered as dead though its event is done.",
			func(t *trial) {
				c, rec := t.win(t.key, terms(long))
				t.complete(c, nil)
				once := terms(long)
				once.MaxAttempts = 1
				rec.State = lease.Done
				t.wantRecord("record", t.lose(t.key, once), rec)
				t.wantRecord("record of a second look", t.lose(t.key, terms(long)), rec)
			},
		},
		{
			"without MaxAttempts an event may fail any number of times",
			"Events would be given up though their sender has not.",
			func(t *trial) {
				for range 40 {
					c, _ := t.win(t.key, terms(long))
					t.release(c, lease.Failure{Reason: "tried"})
				}
			},
		},
	}
}

// spaced returns terms that allow three attempts, which count if they are so far apart.
func spaced(interval time.Duration) func() lease.Terms {
	return func() lease.Terms {
		terms := terms(long)
		terms.MaxAttempts, terms.AttemptInterval = 3, interval
		return terms
	}
}

func burstCountsOnce(t *trial) {
	spaced := spaced(long)
	for i := range 5 {
		c, rec := t.win(t.key, spaced())
		if rec.Attempts != 1 || rec.Counted != (i == 0) || rec.Token != int64(i)+1 {
			t.Errorf("claim %d: Attempts = %d, Counted = %t, Token = %d, want 1, %t, %d", i+1, rec.Attempts, rec.Counted, rec.Token, i == 0, i+1)
		}
		t.release(c, lease.Failure{Reason: "tried"})
	}
}

func uncountedRelease(t *trial) {
	spaced := spaced(long)
	for range 5 {
		c, rec := t.win(t.key, spaced())
		if rec.Attempts != 1 || !rec.Counted {
			t.Errorf("Attempts = %d, Counted = %t, want 1 and true", rec.Attempts, rec.Counted)
		}
		t.release(c, lease.Failure{Reason: "answered", Uncount: true})
	}
}

func releaseKeeps(t *trial) {
	c, rec := t.win(t.key, marked(long))
	t.release(c, lease.Failure{Reason: "tried"})
	rec.State, rec.LastError = lease.Released, "tried"
	t.wantRecord("record after the release", t.peek(t.key), rec)
	again := marked(long)
	_, got := t.win(t.key, again)
	rec.State, rec.Owner, rec.Token, rec.Attempts = lease.Claimed, again.Owner, 2, 2
	t.wantRecord("record of the next claim", got, rec)
}

func reasonKept(t *trial) {
	c, _ := t.win(t.key, terms(long))
	t.release(c, lease.Failure{Reason: "first"})
	c, _ = t.win(t.key, terms(long))
	t.release(c, lease.Failure{Reason: "second"})
	c, rec := t.win(t.key, terms(long))
	if rec.LastError != "second" {
		t.Errorf("claim: LastError = %q, want %q", rec.LastError, "second")
	}
	t.release(c, lease.Failure{})
	c, rec = t.win(t.key, terms(long))
	if rec.LastError != "" {
		t.Errorf("claim after a failure without a reason: LastError = %q, want none", rec.LastError)
	}
	t.release(c, lease.Failure{Reason: "last"})
	c, _ = t.win(t.key, terms(long))
	t.complete(c, nil)
	if rec := t.lose(t.key, terms(long)); rec.LastError != "last" {
		t.Errorf("done: LastError = %q, want %q", rec.LastError, "last")
	}
}

func reasonsExact(t *trial) {
	for i, reason := range []string{
		"",
		"it's \"quoted\" \\ and 100% _odd_ ; -- \r\n\t",
		"état, 失敗, \U0001F4A5",
		" space around ",
		strings.Repeat("x", lease.MaxReasonBytes),
		strings.Repeat("\U0001F4A5", lease.MaxReasonBytes/4),
	} {
		key := t.sibling(fmt.Sprint("reason ", i))
		c, _ := t.win(key, terms(long))
		t.release(c, lease.Failure{Reason: reason, Dead: true})
		if got := t.lose(key, terms(long)).LastError; got != reason {
			t.Errorf("LastError = %q, want %q", got, reason)
		}
	}
}

func deadRelease(t *trial) {
	c, rec := t.win(t.key, terms(long))
	t.release(c, lease.Failure{Reason: "hopeless", Dead: true})
	rec.State, rec.LastError = lease.Dead, "hopeless"
	many := terms(long)
	many.MaxAttempts = 100
	t.wantRecord("record that a claim finds", t.lose(t.key, terms(long)), rec)
	t.wantRecord("record that a claim with many attempts finds", t.lose(t.key, many), rec)
}

// maxAttempts lets attempt fail as often as three attempts allow.
func maxAttempts(t *trial, attempt func(lease.Terms)) {
	thrice := func() lease.Terms {
		terms := terms(long)
		terms.MaxAttempts = 3
		return terms
	}
	for range 3 {
		attempt(thrice())
	}
	rec := t.lose(t.key, thrice())
	if rec.State != lease.Dead || rec.Token != 3 || rec.Attempts != 3 {
		t.Errorf("after three attempts of three the record is %+v, want Dead with token 3 and 3 attempts", rec)
	}
	// Dead is final: nothing that a later claim asks for brings it back.
	t.wantRecord("record of a second look", t.lose(t.key, terms(long)), rec)
}
