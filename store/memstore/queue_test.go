package memstore_test

import (
	"testing"

	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

func TestStore_Queue(t *testing.T) {
	storetest.RunQueue(t, func(*testing.T) storetest.QueueStore { return new(memstore.Store) })
}
