package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const commitsAlone = "commits alone"

// A floor is what the server of a database does at best: transactions that change one row,
// by a statement each, without HTTP and without anything to remember.
type floor struct {
	site *site
	home home
}

func (p *plan) openFloor(ctx context.Context, g group) (*floor, error) {
	h, err := p.newHome(ctx, g.database, "")
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, g.database, h.dsn)
	if err != nil {
		return nil, errors.Join(err, h.drop())
	}
	f := &floor{s, h}
	if err := s.createAccounts(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *floor) close() error {
	var err error
	if f.site.pool != nil {
		f.site.pool.Close()
	} else {
		err = f.site.db.Close()
	}
	return errors.Join(err, f.home.drop())
}

// measure is the rate and the times of so many callers.
func (f *floor) measure(ctx context.Context, callers int, d time.Duration) (slice, error) {
	update := f.site.words().update
	var wg sync.WaitGroup
	times := make([][]time.Duration, callers)
	errs := make([]error, callers)
	start := time.Now()
	for i := range callers {
		wg.Go(func() {
			for time.Since(start) < d && errs[i] == nil {
				begin := time.Now()
				errs[i] = f.site.exec(ctx, update, rand.IntN(accounts))
				times[i] = append(times[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	return sliceOf(slices.Concat(times...), took), errors.Join(errs...)
}
