package memstore

import (
	"math"
	"sync"
	"time"

	"github.com/hookonce/hookonce/idempotency/lease"
)

// A shard is a part of the records, under a lock of its own. Its records are in a heap
// too, by when they expire, so that expired ones are found without a search. (In the
// order of their last change, a claim with a long lease would hide the ones behind
// it.)
type shard struct {
	mu      sync.Mutex
	records map[string]*record
	heap    []*record // the first expires first; heap[i] is not later than heap[2*i+1] and heap[2*i+2]
	spare   *record   // the last that was deleted, to be used again
	_       [8]byte   // a cache line for each
}

// insert adds a record for name, which must have none. The caller must touch it.
func (sh *shard) insert(name string) *record {
	if sh.records == nil {
		sh.records = make(map[string]*record)
	}
	r := sh.spare
	if r == nil {
		r = new(record)
	}
	sh.spare = nil
	r.name, r.expires, r.place = name, math.MaxInt64, len(sh.heap)
	sh.records[name] = r
	sh.heap = append(sh.heap, r)
	return r
}

// touch notes that r changes now: it expires after the retention. A claim changes
// until its lease expires.
func (sh *shard) touch(r *record, now, retention time.Duration) {
	since := now
	if r.state == lease.Claimed {
		since = r.leaseEnd
	}
	r.expires = end(since, retention)
	sh.up(r)
	sh.down(r)
}

// sweep deletes at most limit expired records and returns how many.
func (sh *shard) sweep(now time.Duration, limit int) (n int) {
	for n < limit && len(sh.heap) > 0 && sh.heap[0].expired(now) {
		r, last := sh.heap[0], len(sh.heap)-1
		sh.swap(0, last)
		sh.heap[last] = nil
		sh.heap = sh.heap[:last]
		if last > 0 {
			sh.down(sh.heap[0])
		}
		delete(sh.records, r.name)
		*r = record{} // nothing that it refers to is needed any more
		sh.spare = r
		n++
	}
	return n
}

// up moves r toward the front until no record before it expires later.
func (sh *shard) up(r *record) {
	for r.place > 0 && r.expires < sh.heap[(r.place-1)/2].expires {
		sh.swap(r.place, (r.place-1)/2)
	}
}

// down moves r toward the back until no record behind it expires earlier.
func (sh *shard) down(r *record) {
	for {
		child := 2*r.place + 1
		if child >= len(sh.heap) {
			return
		}
		if next := child + 1; next < len(sh.heap) && sh.heap[next].expires < sh.heap[child].expires {
			child = next
		}
		if r.expires <= sh.heap[child].expires {
			return
		}
		sh.swap(r.place, child)
	}
}

func (sh *shard) swap(i, j int) {
	sh.heap[i], sh.heap[j] = sh.heap[j], sh.heap[i]
	sh.heap[i].place, sh.heap[j].place = i, j
}
