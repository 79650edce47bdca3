package pgxstore_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// modes are the ways in which pgx executes statements.
var modes = map[string]pgx.QueryExecMode{
	"cache statement": pgx.QueryExecModeCacheStatement,
	"cache describe":  pgx.QueryExecModeCacheDescribe,
	"describe exec":   pgx.QueryExecModeDescribeExec,
	"exec":            pgx.QueryExecModeExec,
	"simple protocol": pgx.QueryExecModeSimpleProtocol,
}

// The contract of a lease.Store, in each of pgx's modes.
func TestStore_Contract(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			config.ConnConfig.DefaultQueryExecMode = mode
			events := newEvents(t, connect(t, config), &pgxstore.Options{Wait: 20 * time.Second})
			storetest.Run(t, func(*testing.T) lease.Store { return events })
		})
	}
}

// Both modes keep what a Runner promises, in each of pgx's modes.
func TestStore_RunnerContract(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			config.ConnConfig.DefaultQueryExecMode = mode
			pool := connect(t, config)
			newEvents(t, pool, nil)
			store := func(t *testing.T, o storetest.RunnerOptions) *pgxstore.Store {
				return newStore(t, pool, &pgxstore.Options{
					Wait:            time.Second,
					MaxAttempts:     o.MaxAttempts,
					AttemptInterval: o.AttemptInterval,
					Observe:         o.Observe,
				})
			}
			t.Run("transaction", func(t *testing.T) {
				storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[pgx.Tx] {
					return store(t, o)
				})
			})
			t.Run("lease", func(t *testing.T) {
				storetest.RunRunner(t, func(t *testing.T, o storetest.RunnerOptions) idempotency.Runner[lease.Claim] {
					return newLeases(t, store(t, o), &lease.Options{MaxAttempts: o.MaxAttempts, AttemptInterval: o.AttemptInterval})
				})
			})
		})
	}
}
