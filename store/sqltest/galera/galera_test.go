package galera_test

import "testing"

// TestGalera starts one cluster for all tests, because that takes seconds.
func TestGalera(t *testing.T) {
	c := newCluster(t)
	t.Run("at once", func(t *testing.T) { testAtOnce(t, c) })
	t.Run("errors of nodes", func(t *testing.T) { testErrors(t, c) })
	t.Run("the books while nodes fail", func(t *testing.T) { testFaults(t, c.in(t)) })
}

func testAtOnce(t *testing.T, c *cluster) {
	for _, test := range []struct {
		name string
		f    func(*testing.T, *cluster)
	}{
		{"an abort by another node is swallowed", testAbortIsSwallowed},
		{"a run starts again after an abort by another node", testRunAborted},
		{"a transaction of the caller's is refused where statements are prepared", testOwnTx},
		{"CompleteTx after an abort by another node", testCompleteAborted},
		{"a lease is renewed by another node", testStaleNode},
		{"a lease is completed by one node and taken over by another", testTakenOver},
		{"the contract of stores", testContract},
		{"Check of settings", testCheck},
		{"the books of runs", testRuns},
		{"the books of an inbox", testInbox},
		{"the books of ClaimTx", testClaimTx},
		{"the books of CompleteTx", testCompleteTx},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.f(t, c.in(t))
		})
	}
}
