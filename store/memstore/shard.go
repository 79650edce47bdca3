package memstore

import (
	"sync"
	"time"
)

// A shard is a part of the records, under a lock of its own. Its records stand
// in a list too, in the order in which they were last touched, so that expired
// ones are found without a search.
type shard struct {
	mu             sync.Mutex
	records        map[string]*record
	oldest, newest *record
	spare          *record  // the last that was deleted, to be used again
	_              [24]byte // a cache line for each
}

// insert adds a record for name, which must have none.
func (sh *shard) insert(name string) *record {
	if sh.records == nil {
		sh.records = make(map[string]*record)
	}
	r := sh.spare
	if r == nil {
		r = new(record)
	}
	sh.spare = nil
	r.name = name
	sh.records[name] = r
	sh.push(r)
	return r
}

// touch notes that something happens to r now.
func (sh *shard) touch(r *record, now time.Duration) {
	r.touched = now
	if sh.newest != r {
		sh.unlink(r)
		sh.push(r)
	}
}

// sweep deletes at most limit expired records and returns how many.
func (sh *shard) sweep(now, retention time.Duration, limit int) (n int) {
	for n < limit && sh.oldest != nil && now-sh.oldest.touched >= retention {
		r := sh.oldest
		if !r.expired(now, retention) {
			sh.touch(r, now) // a lease that is longer than the retention
			continue
		}
		sh.unlink(r)
		delete(sh.records, r.name)
		*r = record{} // of what it refers to, nothing is needed any more
		sh.spare = r
		n++
	}
	return n
}

func (sh *shard) push(r *record) {
	r.older, r.newer = sh.newest, nil
	if sh.newest == nil {
		sh.oldest = r
	} else {
		sh.newest.newer = r
	}
	sh.newest = r
}

func (sh *shard) unlink(r *record) {
	if r.older == nil {
		sh.oldest = r.newer
	} else {
		r.older.newer = r.newer
	}
	if r.newer == nil {
		sh.newest = r.older
	} else {
		r.newer.older = r.older
	}
}
