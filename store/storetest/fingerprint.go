package storetest

import (
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

func fingerprintChecks() []check {
	checks := []check{
		{
			"a fingerprint that matches changes nothing",
			"Honest repetitions of an event would be refused as forgeries.",
			matchingFingerprint,
		},
		{
			"a claim without a fingerprint matches every record",
			"Turning fingerprints off would turn every repeated event into an error.",
			func(t *trial) {
				c, _ := t.win(t.key, marked(long))
				t.release(c, lease.Failure{})
				c, rec := t.win(t.key, terms(long))
				t.complete(c, nil)
				rec.State = lease.Done
				t.wantRecord("record", t.lose(t.key, terms(long)), rec)
			},
		},
		{
			"a record without a fingerprint matches every claim and takes the first that wins with one",
			"Turning fingerprints on would turn events that are under way into errors.",
			firstFingerprint,
		},
		{
			"a claim that loses leaves no fingerprint behind",
			"A forged delivery could make the true one a mismatch.",
			loserLeavesNoFingerprint,
		},
		{
			"a claim without a fingerprint does not wipe that of the record",
			"Other content would be taken for the same event after an attempt without fingerprints.",
			func(t *trial) {
				c, _ := t.win(t.key, marked(long))
				t.release(c, lease.Failure{})
				c, _ = t.win(t.key, terms(long))
				t.complete(c, nil)
				if got := t.peek(t.key).Fingerprint; got != ours {
					t.Errorf("Fingerprint = %x, want %x", got, ours)
				}
			},
		},
		{
			"a claim with another fingerprint does not make a record dead",
			"A forged delivery could kill an event that would have been tried again.",
			mismatchDoesNotKill,
		},
	}
	for _, s := range []struct {
		state string
		make  func(t *trial) lease.Record
	}{
		{"claimed", func(t *trial) lease.Record {
			_, rec := t.win(t.key, marked(long))
			return rec
		}},
		{"claimed with an ended lease", func(t *trial) lease.Record {
			_, rec := t.lapse(marked(short))
			return rec
		}},
		{"released", func(t *trial) lease.Record {
			c, rec := t.win(t.key, marked(long))
			t.release(c, lease.Failure{Reason: "tried"})
			rec.State, rec.LastError = lease.Released, "tried"
			return rec
		}},
		{"dead", func(t *trial) lease.Record {
			c, rec := t.win(t.key, marked(long))
			t.release(c, lease.Failure{Reason: "hopeless", Dead: true})
			rec.State, rec.LastError = lease.Dead, "hopeless"
			return rec
		}},
		{"done", func(t *trial) lease.Record {
			c, rec := t.win(t.key, marked(long))
			t.complete(c, &idempotency.Result{Status: 200})
			rec.State, rec.Result = lease.Done, &idempotency.Result{Status: 200}
			return rec
		}},
	} {
		checks = append(checks, check{
			"a claim with another fingerprint loses against a record that is " + s.state,
			"Other content under a known key would be applied, or be answered as if it had been.",
			func(t *trial) {
				want := s.make(t)
				t.wantRecord("record that the claim finds", t.peek(t.key), want)
				t.wantRecord("record of a second look", t.peek(t.key), want)
			},
		})
	}
	return checks
}

func matchingFingerprint(t *trial) {
	c, rec := t.win(t.key, marked(long))
	if rec.Fingerprint != ours {
		t.Errorf("Fingerprint = %x, want %x", rec.Fingerprint, ours)
	}
	t.wantRecord("claimed", t.lose(t.key, marked(long)), rec)
	t.release(c, lease.Failure{})
	t.win(t.key, marked(short))
	c, rec = t.steal(t.key, marked(long))
	t.complete(c, nil)
	rec.State, rec.Stolen = lease.Done, false
	t.wantRecord("done", t.lose(t.key, marked(long)), rec)
}

func firstFingerprint(t *trial) {
	c, _ := t.win(t.key, terms(long))
	t.release(c, lease.Failure{})
	c, rec := t.win(t.key, marked(long))
	if rec.Fingerprint != ours {
		t.Errorf("claim: Fingerprint = %x, want %x", rec.Fingerprint, ours)
	}
	t.complete(c, nil)
	if rec := t.peek(t.key); rec.Fingerprint != ours {
		t.Errorf("done: Fingerprint = %x, want %x", rec.Fingerprint, ours)
	}
}

func loserLeavesNoFingerprint(t *trial) {
	c, _ := t.win(t.key, terms(long))
	other := terms(long)
	other.Fingerprint = theirs
	if rec := t.lose(t.key, other); rec.Fingerprint != (idempotency.Fingerprint{}) {
		t.Errorf("Fingerprint = %x, want none", rec.Fingerprint)
	}
	t.release(c, lease.Failure{})
	t.win(t.key, marked(long))
}

func mismatchDoesNotKill(t *trial) {
	c, rec := t.win(t.key, marked(long))
	t.release(c, lease.Failure{})
	rec.State = lease.Released
	once := terms(long)
	once.Fingerprint, once.MaxAttempts = theirs, 1
	t.wantRecord("record that the other content finds", t.lose(t.key, once), rec)
	once = marked(long)
	once.MaxAttempts = 1
	rec.State = lease.Dead
	t.wantRecord("record that the same content finds", t.lose(t.key, once), rec)
}
