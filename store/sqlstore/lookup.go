package sqlstore

import (
	"context"
	"database/sql"

	"github.com/hookonce/hookonce/idempotency"
)

// lookUp reports that key is done, if that is likely: when the latest claim found
// its event done, as most do while a sender repeats itself. A duplicate then costs
// one read, without a transaction. A new event costs that read only once after
// such a claim, and is decided by the INSERT in any case.
func (s *Store) lookUp(ctx context.Context, key idempotency.Key, find finder) (rec idempotency.Record, done bool, err error) {
	if !s.repeating.Load() {
		return rec, false, nil
	}
	rec, err = s.readAlone(ctx, key, find)
	if lockTimeout(s.dialect, err) {
		return rec, false, err // the INSERT would wait once more
	}
	done = err == nil && rec.State == idempotency.Done
	s.claimed(!done)
	return rec, done, nil
}

// A finder is find or findDone.
type finder func(context.Context, conn, idempotency.Key) (idempotency.Record, error)

// readAlone reads without a transaction. MySQL reads what is not committed if the
// application's connections do, unless the read locks; then it waits.
func (s *Store) readAlone(ctx context.Context, key idempotency.Key, find finder) (rec idempotency.Record, err error) {
	if s.dialect != MySQL {
		return find(ctx, s.db, key)
	}
	err = s.byItself(ctx, func(c conn) error {
		return s.waiting(ctx, func(ctx context.Context) error {
			rec, err = find(ctx, c, key)
			return err
		})
	})
	return rec, err
}

// claimed keeps in mind whether a claim was one of a new event.
func (s *Store) claimed(isNew bool) {
	if s.repeating.Load() == isNew {
		s.repeating.Store(!isNew)
	}
}

// findDone returns of the record of key, if that is Done, what a delivery is
// refused by; else the error is [sql.ErrNoRows].
func (s *Store) findDone(ctx context.Context, c conn, key idempotency.Key) (idempotency.Record, error) {
	rec := idempotency.Record{State: idempotency.Done}
	var fp []byte
	var result storedResult
	row := c.QueryRowContext(ctx, s.sql.findDone, []byte(key.Scope), []byte(key.ID))
	if err := row.Scan(&fp, &result.status, &result.mediaType, &result.body); err != nil {
		return rec, err
	}
	copy(rec.Fingerprint[:], fp)
	rec.Result = result.get()
	return rec, nil
}

// storedResult is a result as the columns hold it.
type storedResult struct {
	status    sql.NullInt64
	mediaType sql.NullString
	body      []byte
}

// get returns nil if the columns hold none.
func (r *storedResult) get() *idempotency.Result {
	if !r.status.Valid {
		return nil
	}
	return &idempotency.Result{Status: int(r.status.Int64), ContentType: r.mediaType.String, Body: r.body}
}
