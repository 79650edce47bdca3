package sqlstore

import (
	"context"
	"errors"
	"time"
)

// errWriterBusy means that the one writer that SQLite can have did not come free
// in time.
var errWriterBusy = errors.New("another write is under way")

// lockWriter waits, for at most Options.Wait, until no other run of this store
// writes to a SQLite database; on the others it does nothing. SQLite has one
// writer at a time: those of one process queue here, in order, instead of finding
// the database busy again and again until one gives up.
func (s *Store) lockWriter(ctx context.Context) (unlock func(), err error) {
	if s.writer == nil {
		return func() {}, nil
	}
	unlock = func() { <-s.writer }
	select {
	case s.writer <- struct{}{}:
		return unlock, nil
	default:
	}
	timeout := time.NewTimer(s.o.Wait)
	defer timeout.Stop()
	select {
	case s.writer <- struct{}{}:
		return unlock, nil
	case <-timeout.C:
		return nil, errWriterBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
