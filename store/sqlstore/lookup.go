package sqlstore

import (
	"context"

	"github.com/hookonce/hookonce/idempotency"
)

// lookUp reports that key is done, if that is likely: when the latest claim found
// its event done, as most do while a sender repeats itself. A duplicate then costs
// one read, without a transaction. A new event costs that read only once after
// such a claim, and is decided by the INSERT in any case.
func (s *Store) lookUp(ctx context.Context, key idempotency.Key) (rec idempotency.Record, done bool, err error) {
	if !s.repeating.Load() {
		return rec, false, nil
	}
	rec, err = s.find(ctx, s.db, key)
	if lockTimeout(s.dialect, err) {
		return rec, false, err // the INSERT would wait once more
	}
	done = err == nil && rec.State == idempotency.Done
	s.claimed(!done)
	return rec, done, nil
}

// claimed keeps in mind whether a claim was one of a new event.
func (s *Store) claimed(isNew bool) {
	if s.repeating.Load() == isNew {
		s.repeating.Store(!isNew)
	}
}
