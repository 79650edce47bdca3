package storetest

import (
	"context"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// Failing returns a store that asks fail before each call of s, by the name of the
// method, and instead of the call returns the error that it gets, if any. It is for
// the tests of what uses a store; fail may be called concurrently.
//
//	store := storetest.Failing(new(memstore.Store), func(method string) error { … })
func Failing(s idempotency.Store, fail func(method string) error) idempotency.Store {
	return &failing{s, fail}
}

type failing struct {
	store idempotency.Store
	fail  func(method string) error
}

func (f *failing) Claim(ctx context.Context, key idempotency.Key, terms idempotency.Terms) (idempotency.Record, bool, error) {
	if err := f.fail("Claim"); err != nil {
		return idempotency.Record{}, false, err
	}
	return f.store.Claim(ctx, key, terms)
}

func (f *failing) Renew(ctx context.Context, c idempotency.Claim, lease time.Duration) error {
	if err := f.fail("Renew"); err != nil {
		return err
	}
	return f.store.Renew(ctx, c, lease)
}

func (f *failing) Complete(ctx context.Context, c idempotency.Claim, result *idempotency.Result) error {
	if err := f.fail("Complete"); err != nil {
		return err
	}
	return f.store.Complete(ctx, c, result)
}

func (f *failing) Release(ctx context.Context, c idempotency.Claim, failure idempotency.Failure) error {
	if err := f.fail("Release"); err != nil {
		return err
	}
	return f.store.Release(ctx, c, failure)
}
