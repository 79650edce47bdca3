package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A flawed store keeps the contract, except for one flaw. It is written for
// flaws to be put in, and is otherwise as simple as can be: one map, one lock.
type flawed struct {
	flaw  flaw
	start time.Time
	busy  atomic.Int32
	mu    sync.Mutex
	rows  map[string]row
}

// A row is a record with what the store knows besides.
type row struct {
	lease.Record
	leaseEnd time.Time
	released time.Time
}

var _ lease.Store = (*flawed)(nil)

func newFlawed(f flaw) *flawed {
	return &flawed{flaw: f, start: time.Now(), rows: map[string]row{}}
}

// gap lets others in if the store has one of the flaws.
func (s *flawed) gap(flaws ...flaw) {
	if s.has(flaws...) {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
}

func (s *flawed) has(flaws ...flaw) bool {
	return slices.Contains(flaws, s.flaw)
}

func (s *flawed) now() time.Time {
	if s.has(clockFrozen) {
		return s.start
	}
	return time.Now()
}

func (s *flawed) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	if err := ctx.Err(); err != nil && !s.has(claimsThoughCancelled) {
		return lease.Record{}, false, err
	}
	if s.has(busyIsError) && s.busy.Add(1) > 1 {
		s.busy.Add(-1)
		return lease.Record{}, false, errors.New("deadlock detected")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(busyIsError) {
		s.gap(busyIsError)
		defer s.busy.Add(-1)
	}
	name := s.name(key)
	r, found := s.rows[name]
	s.gap(claimChecksThenActs)
	if found && r.State == lease.Released {
		s.gap(reclaimChecksThenActs)
	}
	if found && r.State == lease.Claimed && s.ended(r) {
		s.gap(stealChecksThenActs)
	}
	if found && !s.free(&r, terms) {
		s.rows[name] = r
		return s.refusal(name, r, terms), false, nil
	}
	r = s.won(r, terms)
	s.rows[name] = r
	if err := ctx.Err(); err != nil {
		return lease.Record{}, false, err
	}
	if s.has(claimCutOff) {
		bare := r
		bare.leaseEnd = s.start.AddDate(1, 0, 0)
		s.rows[name] = bare
		s.gap(claimCutOff)
		if err := ctx.Err(); err != nil {
			return lease.Record{}, false, err
		}
		s.rows[name] = r
	}
	return s.export(r), true, nil
}

func (s *flawed) ended(r row) bool {
	end := r.leaseEnd
	if s.has(leaseEndsEarly) {
		end = end.Add(-20 * time.Millisecond)
	}
	return !s.has(leaseNeverEnds) && !s.now().Before(end)
}

// free reports whether r may be claimed, and makes it dead if it is used up.
func (s *flawed) free(r *row, terms lease.Terms) bool {
	spent := terms.MaxAttempts > 0 && r.Attempts >= terms.MaxAttempts
	switch s.flaw {
	case attemptsUnlimited:
		spent = false
	case attemptsOffByOne:
		spent = terms.MaxAttempts > 0 && r.Attempts > terms.MaxAttempts
	case attemptsOfCrashes:
		spent = spent && r.State != lease.Claimed
	case mismatchKills, liveKilled, doneKilled:
		if spent && (s.has(mismatchKills) && r.State == lease.Released ||
			s.has(liveKilled) && r.State == lease.Claimed ||
			s.has(doneKilled) && r.State == lease.Done) {
			r.State = lease.Dead
		}
	case capByDefault:
		spent = r.Attempts >= 25
	}
	if !s.matches(*r, terms.Fingerprint) {
		return false
	}
	switch r.State {
	case lease.Done:
		return s.has(stealsDone) && s.ended(*r)
	case lease.Dead:
		return s.has(deadRises) && !spent
	case lease.Claimed:
		if !s.ended(*r) {
			return false
		}
	case lease.Released:
		if s.has(releaseWaits) && !s.ended(*r) {
			return false
		}
	}
	if spent {
		r.State = lease.Dead
		if s.has(deadForgetsAttempts) {
			r.Attempts = 0
		}
	}
	return !spent
}

func (s *flawed) matches(r row, fp idempotency.Fingerprint) bool {
	switch {
	case s.has(fingerprintIgnored),
		s.has(fingerprintOnlyWhenDone) && r.State != lease.Done,
		s.has(fingerprintNotWhenReleased) && r.State == lease.Released,
		s.has(fingerprintNotWhenEnded) && r.State == lease.Claimed && s.ended(r):
		return true
	case s.has(fingerprintZeroDiffers):
		return r.Fingerprint == fp
	case s.has(fingerprintNeverEqual):
		return r.Fingerprint == idempotency.Fingerprint{} || fp == idempotency.Fingerprint{}
	}
	return r.Fingerprint.Matches(fp)
}

// won returns r as the claim has made it.
func (s *flawed) won(r row, terms lease.Terms) row {
	stolen := r.State == lease.Claimed
	r.State = lease.Claimed
	r.Owner = terms.Owner
	if !s.has(tokenStands) || r.Token == 0 {
		r.Token++
	}
	r.Counted = !stolen && r.Attempts == 0 || stolen && !s.has(crashesClose) || s.has(burstCounts) ||
		!stolen && s.now().Sub(r.released) >= terms.AttemptInterval && !s.has(neverCounts)
	if r.Counted && (!s.has(attemptsFromZero) || r.Token > 1) {
		r.Attempts++
	}
	r.Stolen = stolen && !s.has(neverStolen)
	none := idempotency.Fingerprint{}
	if r.Fingerprint == none && !s.has(fingerprintOfFirstOnly) || terms.Fingerprint == none && s.has(fingerprintWiped) || r.Token == 1 {
		r.Fingerprint = terms.Fingerprint
	}
	if s.has(reasonGoneByClaim) {
		r.LastError = ""
	}
	r.leaseEnd = s.end(terms.Lease)
	return r
}

func (s *flawed) end(length time.Duration) time.Time {
	end := s.now().Add(length)
	switch s.flaw {
	case leaseCutToSeconds:
		end = s.now().Add(length.Truncate(time.Second))
	case leaseRoundedToSeconds:
		end = s.now().Add((length + time.Second - 1).Truncate(time.Second))
	case clockInZone:
		end = end.Add(time.Hour)
	}
	return end
}

// refusal is the record that a claim gets that has lost.
func (s *flawed) refusal(name string, r row, terms lease.Terms) lease.Record {
	switch s.flaw {
	case loserSeesNothing:
		return lease.Record{}
	case loserSeesItself:
		r.Owner = terms.Owner
	case loserRenews:
		r.leaseEnd = s.end(terms.Lease)
		s.rows[name] = r
	case loserFrees:
		freed := r
		freed.State = lease.Released
		s.rows[name] = freed
	case loserFingerprint:
		if r.Fingerprint == (idempotency.Fingerprint{}) {
			r.Fingerprint = terms.Fingerprint
			s.rows[name] = r
		}
	}
	rec := s.export(r)
	rec.Stolen = rec.Stolen && s.has(alwaysStolen)
	return rec
}

func (s *flawed) export(r row) lease.Record {
	rec := r.Record
	if rec.State == lease.Claimed {
		rec.LeaseLeft = r.leaseEnd.Sub(s.now())
	}
	if !s.has(resultSharedOut) {
		rec.Result = cloneResult(rec.Result)
	}
	switch {
	case s.has(leaseLeftUnknown):
		rec.LeaseLeft = 0
	case s.has(resultAlways) && rec.Result == nil && rec.State != lease.Done:
		rec.Result = new(idempotency.Result)
	}
	return rec
}

func (s *flawed) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	return s.act(ctx, c, "renew", func(r *row) {
		switch end := s.end(length); {
		case s.has(renewDoesNothing) || r.State == lease.Done:
		case s.has(renewAdds):
			r.leaseEnd = r.leaseEnd.Add(length)
		case s.has(renewNeverShortens) && end.Before(r.leaseEnd):
		default:
			r.leaseEnd = end
		}
		if s.has(renewCounts) {
			r.Attempts++
		}
	})
}

func (s *flawed) Complete(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	return s.act(ctx, c, "complete", func(r *row) {
		if s.has(resultOverwritten) || r.State != lease.Done || r.Result == nil && !s.has(resultNotAdded) {
			r.Result = s.keep(result)
		}
		r.State = lease.Done
		switch s.flaw {
		case fingerprintDropped:
			r.Fingerprint = idempotency.Fingerprint{}
		case reasonGoneByCompletion:
			r.LastError = ""
		}
	})
}

func (s *flawed) keep(result *idempotency.Result) *idempotency.Result {
	if s.has(resultSharedIn) {
		return result
	}
	kept := cloneResult(result)
	switch {
	case s.has(resultNeverNil) && kept == nil:
		kept = new(idempotency.Result)
	case kept == nil:
	case s.has(resultAsText):
		kept.Body = bytes.ToValidUTF8(kept.Body, []byte("?"))
	case s.has(resultCut):
		kept.Body = kept.Body[:min(len(kept.Body), 1<<16-1)]
	}
	return kept
}

func (s *flawed) Release(ctx context.Context, c lease.Claim, f lease.Failure) error {
	return s.act(ctx, c, "release", func(r *row) {
		if (r.State == lease.Released || r.State == lease.Dead) && !s.has(releasedAgain) && !s.has(releaseAnyState) {
			return
		}
		r.State = lease.Released
		r.released = s.now()
		if f.Uncount && !s.has(uncountIgnored) {
			r.Attempts--
		}
		if f.Dead && !s.has(deadIgnored) {
			r.State = lease.Dead
		}
		if !s.has(reasonFirst) || r.LastError == "" {
			r.LastError = f.Reason
		}
		if s.has(reasonCut) {
			r.LastError = r.LastError[:min(len(r.LastError), 255)]
		}
	})
}

// act changes the row of c if c is its current claim.
func (s *flawed) act(ctx context.Context, c lease.Claim, what string, change func(r *row)) error {
	if err := ctx.Err(); err != nil {
		if s.has(cancelledIsLost) {
			return idempotency.ErrLeaseLost
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.name(c.Key)
	r, found := s.rows[name]
	if !found && s.has(actMakesRecord) {
		r = row{Record: lease.Record{State: lease.Claimed, Owner: c.Owner, Token: c.Token, Attempts: 1}, leaseEnd: s.end(time.Hour)}
		found = true
	}
	if !found || !s.current(r, c, what) {
		return idempotency.ErrLeaseLost
	}
	s.gap(flaw(what + " checks, then acts"))
	change(&r)
	s.rows[name] = r
	if s.has(forgetsOnRelease) && r.State == lease.Released {
		delete(s.rows, name)
	}
	return nil
}

// current reports whether c holds r, so that it may do what it wants to.
func (s *flawed) current(r row, c lease.Claim, what string) bool {
	owner, token := r.Owner == c.Owner, r.Token == c.Token
	state := r.State == lease.Claimed
	if what != "release" && r.State == lease.Done && owner && token {
		return !s.has(completeOnlyOnce) && what == "complete" || !s.has(doneIsLost) && what == "renew"
	}
	if what == "release" && (r.State == lease.Released || r.State == lease.Dead) && owner && token {
		return !s.has(releaseOnlyOnce)
	}
	switch s.flaw {
	case flaw("unfenced " + what):
		return true
	case flaw(what + " in any state"):
		state = true
	case flaw(what + " needs a live lease"):
		state = state && !s.ended(r)
	case fencedByOwnerOnly:
		token = true
	case fencedByTokenOnly:
		owner = true
	case fencedByOlderToken:
		token = c.Token <= r.Token
	case fencedForFirstOnly:
		token = token && c.Token == 1
	}
	return owner && token && state
}

func cloneResult(r *idempotency.Result) *idempotency.Result {
	if r == nil {
		return nil
	}
	c := *r
	c.Body = bytes.Clone(r.Body)
	return &c
}
