package pgxstore_test

import (
	"testing"

	"github.com/hookonce/hookonce/idempotency/inspect"
	"github.com/hookonce/hookonce/store/pgxstore"
	"github.com/hookonce/hookonce/store/storetest"
)

var _ inspect.Store = (*pgxstore.Store)(nil)

// The contract of an inbox's queue, in each of pgx's modes.
func TestStore_Queue(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t)
			config.ConnConfig.DefaultQueryExecMode = mode
			events := newEvents(t, connect(t, config), nil)
			storetest.RunQueue(t, func(*testing.T) storetest.QueueStore { return events })
		})
	}
}
