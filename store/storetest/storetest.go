// Package storetest checks that a [lease.Store] keeps its contract. A
// store's test is one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) lease.Store {
//			return mystore.New(openTestDatabase(t))
//		})
//	}
//
// Each sentence of the contract is a subtest of that name. One that fails says
// what the store did, what it should have done, and what would go wrong in
// production.
//
// [RunRunner] does the same for an [idempotency.Runner]: what it states holds in every
// mode.
//
// # What a store must bring
//
// newStore is called once for each subtest. It may return the same store, or
// stores over the same table, every time: each subtest uses new keys. Leases are waited for in real time, half a second at most at a
// time, and no check depends on a call being quick; the whole suite takes some
// seconds. A store in memory can use [RunInBubble] and wait for nothing.
//
// The suite calls a store from 16 goroutines at once. A pool of one connection
// must do.
//
// # What it cannot check
//
// That a record is durable before it is reported as Done or Dead takes a server whose
// log is held back and which is killed; store/sqltest/durable does that to sqlstore.
package storetest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hookonce/hookonce/idempotency/lease"
)

// Run checks the stores that newStore returns, in subtests of t.
func Run(t *testing.T, newStore func(t *testing.T) lease.Store) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) { c.check(t, newStore(t)) })
	}
}

// RunInBubble is [Run] with each subtest in a bubble of its own, see
// [synctest.Test], in which time passes at once. It is for stores that need
// nothing outside of the process, such as a socket, and that measure leases with
// package time.
func RunInBubble(t *testing.T, newStore func(t *testing.T) lease.Store) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.check(t, newStore(t)) })
		})
	}
}

// A check is one sentence of the contract.
type check struct {
	name string // the sentence
	why  string // what goes wrong in production with a store that breaks it
	run  func(t *trial)
}

func checks() []check {
	return slices.Concat(
		claimChecks(),
		fenceChecks(),
		leaseChecks(),
		failureChecks(),
		fingerprintChecks(),
		resultChecks(),
		keyChecks(),
		contextChecks(),
		purgeChecks(),
		raceChecks(),
	)
}

func (c check) check(t testing.TB, s lease.Store) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("why it matters: %s", c.why)
		}
	})
	c.run(newTrial(t, s))
}
