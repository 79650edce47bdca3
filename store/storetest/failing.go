package storetest

import (
	"context"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// Failing returns a store that asks fail before each call of s, by the name of the
// method, and instead of the call returns the error that it gets, if any. It is for
// the tests of what uses a store; fail may be called concurrently.
//
//	store := storetest.Failing(new(memstore.Store), func(method string) error { … })
func Failing(s lease.Store, fail func(method string) error) lease.Store {
	return &failing{s, fail}
}

type failing struct {
	store lease.Store
	fail  func(method string) error
}

func (f *failing) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	if err := f.fail("Claim"); err != nil {
		return lease.Record{}, false, err
	}
	return f.store.Claim(ctx, key, terms)
}

func (f *failing) Renew(ctx context.Context, c lease.Claim, lease time.Duration) error {
	if err := f.fail("Renew"); err != nil {
		return err
	}
	return f.store.Renew(ctx, c, lease)
}

func (f *failing) Complete(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	if err := f.fail("Complete"); err != nil {
		return err
	}
	return f.store.Complete(ctx, c, result)
}

func (f *failing) Release(ctx context.Context, c lease.Claim, failure lease.Failure) error {
	if err := f.fail("Release"); err != nil {
		return err
	}
	return f.store.Release(ctx, c, failure)
}
