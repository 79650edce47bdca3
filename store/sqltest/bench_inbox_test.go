package sqltest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// BenchmarkAccept compares how many deliveries of 1 KB an inbox accepts, which has those
// that come at once share commits, with accepting each by itself.
func BenchmarkAccept(b *testing.B) {
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
		for _, callers := range []int{1, 4, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", d, callers), func(b *testing.B) {
				db := newBusiness(b, d, min(callers, 16)+1)
				events := newStore(b, db, d, nil)
				if err := events.CreateTables(b.Context()); err != nil {
					b.Fatal(err)
				}
				box, err := inbox.New(events, nil)
				if err != nil {
					b.Fatal(err)
				}
				body := []byte(strings.Repeat("x", 1000))
				item := func(i int64) idempotency.Item {
					return idempotency.Item{
						Key:      eventKey(i),
						Delivery: &hmacverify.Delivery{Scheme: "bench", Header: http.Header{"Content-Type": {"application/json"}}, Body: body},
					}
				}
				compare(b, callers,
					contender{"inbox", func(ctx context.Context, i int64) error {
						return box.Accept(ctx, []idempotency.Item{item(i)}).Err
					}},
					contender{"each", func(ctx context.Context, i int64) error {
						one := item(i)
						_, err := events.Enqueue(ctx, []inbox.Entry{{Key: one.Key, Delivery: one.Delivery.Stored()}})
						return err
					}})
			})
		}
	}
}
