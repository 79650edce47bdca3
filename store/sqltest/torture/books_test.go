package torture

import (
	"fmt"
	"testing"

	"github.com/hookonce/hookonce/idempotency/lease"
)

// goodBooks are balanced books of four events. One of them was delivered three times
// and moves money, and two have failed for good.
func goodBooks() *books {
	id := "transactional-000000"
	for i := 0; !transfers(id); i++ {
		id = fmt.Sprintf("transactional-%06d", i)
	}
	first, second := &event{mode: transactional, id: id}, &event{mode: leased, id: "leased-000001"}
	first.accepted.Add(1)
	first.duplicates.Add(2)
	second.duplicates.Add(1)
	third := &event{mode: transactional, id: "transactional-000002", doomed: true}
	fourth := &event{mode: completed, id: "completed-000003", doomed: true}
	third.buried.Add(1)
	fourth.buried.Add(1)
	return &books{
		events:  []*event{first, second, third, fourth},
		effects: map[string]int{id: 1, "leased-000001": 1},
		records: map[string]lease.State{
			id: lease.Done, "leased-000001": lease.Done, third.id: lease.Dead, fourth.id: lease.Dead,
		},
		failures:    map[string]int{third.id: 4, fourth.id: 4},
		balance:     2,
		maxAttempts: 4,
		answers:     map[string]int{"200": 1, "409 duplicate": 3, "503 unavailable": 1, "no answer": 1},
	}
}

func TestBooks_Good(t *testing.T) {
	t.Parallel()
	if lines := goodBooks().lines(); !balanced(lines) {
		t.Errorf("good books do not balance: %v", lines)
	}
}

func TestBooks_EachImbalanceIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line  string
		spoil func(b *books, id string)
	}{
		{"acknowledged events without an effect", func(b *books, id string) { delete(b.effects, "leased-000001") }},
		{"events with more than one effect", func(b *books, id string) { b.effects[id]++; b.balance += 2 }},
		{"events that two copies were answered 2xx for", func(b *books, id string) { b.events[0].accepted.Add(1) }},
		{"events or copies that were never acknowledged", func(b *books, id string) { b.events[1].givenUp.Add(1) }},
		{"events or copies that were never acknowledged", func(b *books, id string) {
			b.events = append(b.events, &event{mode: leased, id: "leased-000007"})
		}},
		{"claims left over", func(b *books, id string) {
			b.events[0].accepted.Store(0)
			b.events[0].duplicates.Store(0)
			b.records[id] = lease.Claimed
		}},
		{"acknowledged events without a processed record", func(b *books, id string) { delete(b.records, id) }},
		{"effects of events that were never sent", func(b *books, id string) { b.effects["leased-000002"] = 1 }},
		{"events that died though their work does not fail", func(b *books, id string) { b.records[id] = lease.Dead }},
		{"events that died though their work does not fail", func(b *books, id string) { b.events[0].buried.Add(1) }},
		{"events whose work always fails that are not dead", func(b *books, id string) { b.records["completed-000003"] = lease.Done }},
		{"events that died before their last attempt", func(b *books, id string) { b.failures["transactional-000002"]-- }},
		{"effects of work that failed", func(b *books, id string) { b.effects["completed-000003"] = 1 }},
		{"accounts off by", func(b *books, id string) { b.balance-- }},
		{"unexpected answers", func(b *books, id string) { b.answers["422 mismatch"] = 1 }},
		{"old records that the purge missed", func(b *books, id string) { b.old = 1 }},
		{"servers that died by themselves", func(b *books, id string) { b.died = []string{"exit status 2"} }},
		{"servers that wrote to standard error", func(b *books, id string) { b.said = []string{"DATA RACE"} }},
		{"goroutines more than at the start", func(b *books, id string) { b.left.Goroutines = 1 }},
		{"connections that the servers hold", func(b *books, id string) { b.left.InUse = 1 }},
		{"connections that the database has", func(b *books, id string) { b.conns = 1 }},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			b := goodBooks()
			tt.spoil(b, b.events[0].id)
			lines := b.lines()
			if balanced(lines) {
				t.Fatal("the books balance")
			}
			for _, l := range lines {
				if l.what == tt.line && l.count == 0 {
					t.Errorf("%q is 0", l.what)
				}
			}
		})
	}
}
