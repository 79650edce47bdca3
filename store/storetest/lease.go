package storetest

import (
	"fmt"
	"time"

	"github.com/hookonce/hookonce/idempotency/lease"
)

func leaseChecks() []check {
	return []check{
		{
			"a lease does not expire early",
			"A second delivery would start while the first is still within its lease.",
			leaseNotEarly,
		},
		{
			"a lease expires when its time has passed",
			"An event whose owner has crashed would stay in flight, and its sender would give up.",
			leaseEnds,
		},
		{
			"LeaseLeft is the rest of the lease, by the store's own clock",
			"Senders would be asked to retry too early or hours late; a clock in another time zone shows here first.",
			leaseLeft,
		},
		{
			"LeaseLeft shrinks as time passes",
			"A clock that is frozen, at the start of a transaction or of a session, never ends a lease.",
			leaseShrinks,
		},
		{
			"a claim that takes over an expired lease reports Stolen, and no other does",
			"Operators would not see that owners crash or that leases are too short.",
			stolen,
		},
		{
			"renew makes the lease expire the given time from now",
			"Work that takes longer than its lease would be started a second time.",
			renewExtends,
		},
		{
			"renew can make a lease expire sooner",
			"An owner that stops could not hand over.",
			renewShortens,
		},
		{
			"renew changes nothing but when the lease expires",
			"The owner would fence itself out by renewing, or renewals would use up the attempts.",
			renewKeeps,
		},
		{
			"an expired lease can be renewed if the key was not claimed since",
			"A pause of the process would throw away work that no other process has started.",
			func(t *trial) {
				c, _ := t.lapse(terms(short))
				start := time.Now()
				t.must("Renew of an ended lease", t.store.Renew(t.Context(), c, long))
				t.wantLeft("after the renewal", t.lose(t.key, terms(long)).LeaseLeft, long, start)
			},
		},
		{
			"an event whose lease has expired can be completed if it was not claimed since",
			"Work that is done would be repeated without need.",
			func(t *trial) {
				c, rec := t.lapse(terms(short))
				t.complete(c, nil)
				rec.State = lease.Done
				t.wantRecord("record", t.lose(t.key, terms(long)), rec)
			},
		},
		{
			"an event whose lease has expired can be released if it was not claimed since",
			"The reason of the failure would be lost.",
			func(t *trial) {
				c, rec := t.lapse(marked(short))
				t.release(c, lease.Failure{Reason: "slow"})
				rec.State, rec.LastError = lease.Released, "slow"
				t.wantRecord("record", t.peek(t.key), rec)
			},
		},
	}
}

// leases are told apart by a store that counts in whole seconds.
var leases = []time.Duration{100 * time.Millisecond, 450 * time.Millisecond, 1300 * time.Millisecond}

// measure claims a key for each of the leases and returns how long after the
// start of its claim the next claim won, or was given up.
func (t *trial) measure() []time.Duration {
	took := make([]time.Duration, len(leases))
	t.together(len(leases), func(i int) error {
		key := t.sibling(leases[i].String())
		start := time.Now()
		rec, won, err := t.store.Claim(t.Context(), key, terms(leases[i]))
		if err != nil || !won {
			return fmt.Errorf("the claim of a new key: %+v, %t, %w", rec, won, err)
		}
		for stolen := false; !stolen && took[i] < leases[i]+patience; took[i] = time.Since(start) {
			time.Sleep(pause)
			_, stolen, err = t.store.Claim(t.Context(), key, terms(long))
			if err != nil {
				return fmt.Errorf("claim: %w", err)
			}
		}
		return nil
	})
	return took
}

func leaseNotEarly(t *trial) {
	for i, took := range t.measure() {
		if took < leases[i]-precision {
			t.Errorf("a lease of %v expired after %v", leases[i], took)
		}
	}
}

func leaseEnds(t *trial) {
	for i, took := range t.measure() {
		if took >= leases[i]+patience {
			t.Errorf("a lease of %v has not ended after %v", leases[i], took)
		}
	}
}

func leaseLeft(t *trial) {
	for _, lease := range []time.Duration{250 * time.Millisecond, 1900 * time.Millisecond, 30 * time.Second, 26 * time.Hour} {
		key := t.sibling(lease.String())
		start := time.Now()
		_, rec := t.win(key, terms(lease))
		t.wantLeft(fmt.Sprintf("claim for %v", lease), rec.LeaseLeft, lease, start)
		if rec, won := t.claim(key, terms(lease)); !won {
			t.wantLeft(fmt.Sprintf("loser against a claim for %v", lease), rec.LeaseLeft, lease, start)
		}
	}
}

func leaseShrinks(t *trial) {
	start := time.Now()
	t.win(t.key, terms(long))
	time.Sleep(3 * short)
	rec := t.lose(t.key, terms(long))
	t.wantLeft("loser", rec.LeaseLeft, long, start)
	if most := long - 3*short + precision; rec.LeaseLeft > most {
		t.Errorf("%v after a claim for %v, LeaseLeft = %v, want at most %v", 3*short, long, rec.LeaseLeft, most)
	}
}

func stolen(t *trial) {
	c, rec := t.win(t.key, terms(long))
	if rec.Stolen {
		t.Error("the claim of a new key says that it was stolen")
	}
	t.release(c, lease.Failure{})
	if _, rec = t.win(t.key, terms(short)); rec.Stolen {
		t.Error("the claim of a released key says that it was stolen")
	}
	if _, rec = t.steal(t.key, terms(long)); !rec.Stolen {
		t.Error("the claim of a key whose lease had expired does not say that it was stolen")
	}
	if rec = t.lose(t.key, terms(long)); rec.Stolen {
		t.Error("a claim that lost says that it has stolen")
	}
}

func renewExtends(t *trial) {
	c, _ := t.win(t.key, terms(short))
	start := time.Now()
	t.must("Renew", t.store.Renew(t.Context(), c, long))
	time.Sleep(2 * short)
	t.wantLeft("after the renewal", t.lose(t.key, terms(long)).LeaseLeft, long, start)
}

func renewShortens(t *trial) {
	c, _ := t.win(t.key, terms(long))
	t.must("Renew", t.store.Renew(t.Context(), c, short))
	t.steal(t.key, terms(long))
}

func renewKeeps(t *trial) {
	c, _ := t.win(t.key, marked(long))
	t.release(c, lease.Failure{Reason: "first"})
	c, rec := t.win(t.key, marked(long))
	for range 3 {
		t.must("Renew", t.store.Renew(t.Context(), c, long))
	}
	t.wantRecord("record after three renewals", t.peek(t.key), rec)
	t.complete(c, nil)
}
