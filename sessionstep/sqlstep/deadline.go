package sqlstep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/internal/join"
)

// Expire expires steps of pending sessions that have not ended by their deadline, the
// oldest deadlines first, up to limit of them, and returns how many it has expired. A
// session is not rejected by it: what follows is the application's decision.
//
// Call it now and then, as from a job that runs every minute, in any number of
// processes. It finds the steps by an index, and changes each session in a transaction
// of its own, unless ctx carries one, which then locks all of them until it ends.
// After an error, what was expired before it stays so.
//
// Until Expire is called, a step takes submissions after its deadline. Expire does not
// spare a step that needs a review: if it is to wait for the person, remove its
// deadline with SetDeadline.
func (s *Store) Expire(ctx context.Context, limit int) (n int, err error) {
	due, err := s.findDue(ctx, limit)
	if err != nil {
		return 0, err
	}
	// In the same order in every process, so that callers whose transactions lock
	// several do not deadlock.
	for _, session := range slices.Sorted(maps.Keys(due)) {
		expired, err := s.expire(ctx, session, due[session])
		if err != nil {
			return n, err
		}
		n += expired
	}
	return n, nil
}

// findDue returns the steps whose deadline has passed, by session.
func (s *Store) findDue(ctx context.Context, limit int) (map[string][]string, error) {
	due := make(map[string][]string)
	if limit <= 0 {
		return due, nil
	}
	err := s.reader(ctx).Query(ctx, s.sql.findDue, []any{limit}, func(row join.Row) error {
		var session, step string
		err := row.Scan(&session, &step)
		due[session] = append(due[session], step)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstep: find steps to expire: %w", err)
	}
	return due, nil
}

// expire expires the steps if they still have to be, now that their session is locked.
func (s *Store) expire(ctx context.Context, session string, steps []string) (n int, err error) {
	err = s.transact(ctx, func(tx join.Conn) (*draft, error) {
		return s.changeIn(ctx, tx, CauseExpiry, session, "", func(d *draft) (changed bool, err error) {
			for _, name := range steps {
				if d.due[name] {
					changed = true
					if d.expire(name) {
						n++
					}
				}
			}
			return changed, nil
		})
	})
	if errors.Is(err, sessionstep.ErrSessionNotFound) {
		return 0, nil // deleted since it was found
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// expire reports whether the step has expired. What the application has moved to a
// state of its own loses its deadline only, so that it is not found again.
func (d *draft) expire(name string) bool {
	i := slices.IndexFunc(d.steps, func(step Step) bool { return step.Name == name })
	if step := &d.steps[i]; d.state != SessionPending || step.State != StepPending && step.State != StepInProgress {
		step.Deadline = time.Time{}
		return false
	}
	d.applied = true
	d.step(name).end(StepExpired)
	return true
}
