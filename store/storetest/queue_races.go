package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency/inbox"
)

func checkConcurrentDequeue(t *queueTrial) {
	const n = 60
	for i := range n {
		t.add("", fmt.Sprint("e", i))
	}
	var mu sync.Mutex
	taken := make(map[string]int)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for {
				jobs, err := t.q.Dequeue(t.Context(), t.endpoint, 4, time.Minute, false)
				if err != nil {
					t.Errorf("Dequeue: %v", err)
					return
				}
				var all []inbox.Settlement
				mu.Lock()
				for _, j := range jobs {
					taken[j.Key.ID]++
					all = append(all, done(j))
				}
				left := n - len(taken)
				mu.Unlock()
				if len(all) > 0 {
					if err := t.q.Settle(t.Context(), all); err != nil {
						t.Errorf("Settle: %v", err)
						return
					}
				}
				if left == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	for id, times := range taken {
		if times != 1 {
			t.Errorf("%s was dequeued %d times", id, times)
		}
	}
}

func checkConcurrentEnqueue(t *queueTrial) {
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		added := 0
		for range 6 {
			wg.Go(func() {
				r, err := t.q.Enqueue(t.Context(), []inbox.Entry{t.entry(fmt.Sprint("e", round), ""), t.entry(rand.Text(), "")})
				if err != nil {
					t.Errorf("Enqueue: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if !r[0].Duplicate {
					added++
				}
				if r[1].Duplicate {
					t.Error("a new entry was called a duplicate")
				}
			})
		}
		wg.Wait()
		if added != 1 {
			t.Errorf("%d of 6 copies were new, want 1", added)
		}
	}
}

func checkConcurrentGroups(t *queueTrial) {
	const groups, each = 3, 12
	var accepted sync.Map // of group: []string
	var wg sync.WaitGroup
	for g := range groups {
		name := fmt.Sprint("g", g)
		wg.Go(func() {
			var order []string
			for i := range each {
				id := fmt.Sprint(name, "-", i)
				if _, err := t.q.Enqueue(t.Context(), []inbox.Entry{t.entry(id, name)}); err != nil {
					t.Errorf("Enqueue: %v", err)
				}
				order = append(order, id)
			}
			accepted.Store(name, order)
		})
	}
	var mu sync.Mutex
	busy := make(map[string]bool)
	orders := make(map[string][]string)
	total := 0
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				jobs, err := t.q.Dequeue(ctx, t.endpoint, 2, time.Minute, false)
				if err != nil {
					t.Errorf("Dequeue: %v", err)
					return
				}
				mu.Lock()
				for _, j := range jobs {
					name, _, _ := strings.Cut(j.Key.ID, "-")
					if busy[name] {
						t.Errorf("two of group %s at once", name)
					}
					busy[name] = true
					orders[name] = append(orders[name], j.Key.ID)
				}
				mu.Unlock()
				for _, j := range jobs {
					name, _, _ := strings.Cut(j.Key.ID, "-")
					mu.Lock()
					busy[name] = false
					total++
					mu.Unlock()
					if err := t.q.Settle(ctx, []inbox.Settlement{done(j)}); err != nil {
						t.Errorf("Settle: %v", err)
					}
				}
				mu.Lock()
				all := total == groups*each
				mu.Unlock()
				if all {
					return
				}
				if len(jobs) == 0 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for g := range groups {
		name := fmt.Sprint("g", g)
		want, _ := accepted.Load(name)
		if !slices.Equal(orders[name], want.([]string)) {
			t.Errorf("group %s was processed in the order %v", name, orders[name])
		}
	}
}

func checkQueueContext(t *queueTrial) {
	t.add("", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := t.q.Enqueue(ctx, []inbox.Entry{t.entry("b", "")}); err == nil {
		t.Error("Enqueue returned no error")
	}
	if _, err := t.q.Dequeue(ctx, t.endpoint, 1, time.Minute, false); err == nil {
		t.Error("Dequeue returned no error")
	}
	t.wantGone("b")
	t.wantState("a", inbox.Waiting)
}
