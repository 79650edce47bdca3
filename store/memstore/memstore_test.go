package memstore_test

import (
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.RunInBubble(t, func(*testing.T) idempotency.Store { return new(memstore.Store) })
}

// The suite must also hold in real time, as it does for databases.
func TestStoreInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for leases")
	}
	t.Parallel()
	storetest.Run(t, func(*testing.T) idempotency.Store { return new(memstore.Store) })
}
