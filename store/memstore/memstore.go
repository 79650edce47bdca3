// Package memstore is a [lease.Store] in the memory of one process.
//
//	runner, err := lease.New(new(memstore.Store), nil)
//
// It is not durable and not shared. A restart forgets every event, and the next
// delivery of each is applied again; two processes know nothing of each other.
// Use it for tests, for programs of one process whose effects may be repeated
// after a restart, and to try things out. Where an event must not be applied
// twice, use a store that outlives the process, such as sqlstore.
//
// # Memory
//
// A [Store] holds at most [Options.MaxRecords] records, of about 240 bytes each
// with an ID of 36 bytes; results and failure reasons are extra. When it is full
// it refuses new keys with [ErrFull]. It never forgets a record to make room,
// except those that have expired.
//
// # Retention
//
// A record expires when nothing has happened to it for [Options.Retention]: from
// then on its key is free, as if it had never been seen. A claim that was
// neither completed nor released expires that long after its lease expires.
// The memory of expired records is used again by later claims, a little at a
// time, so nothing needs to run in the background; [Store.Purge] frees it all at
// once.
package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

// DefaultMaxRecords is the default of Options.MaxRecords.
const DefaultMaxRecords = 1_000_000

// ErrFull means that the store holds as many records as it may, none of them
// expired, and the key is not among them.
var ErrFull = errors.New("memstore: full")

// Options configures a [Store]. The zero value and nil use the defaults.
type Options struct {
	// MaxRecords is the number of records that the store holds at most. Default
	// [DefaultMaxRecords].
	MaxRecords int

	// Retention is the age, since its last change, at which a record expires.
	// Default [idempotency.DefaultRetention]; less than
	// [idempotency.MinRetention] is refused.
	Retention time.Duration

	// AllowShortRetention accepts any Retention. An event that is delivered
	// again after its record expired is processed again.
	AllowShortRetention bool
}

// A Store keeps the records of one process. The zero Store is ready to use, with
// the defaults of [Options]. It is safe for concurrent use and must not be
// copied after first use.
type Store struct {
	ready sync.Once
	opts  Options
	seed  maphash.Seed
	epoch time.Time // monotonic; instants are durations since then

	_      [64]byte // count is written by every core, the rest is only read
	count  atomic.Int64
	_      [64]byte
	shards [64]shard
	queue  queue
}

// New returns a Store with opts; nil means the defaults.
func New(opts *Options) (*Store, error) {
	s := new(Store)
	if opts != nil {
		s.opts = *opts
	}
	switch o := s.opts; {
	case o.MaxRecords < 0 || o.Retention < 0:
		return nil, errors.New("memstore: a number in Options is negative; leave it 0 for the default")
	case o.Retention > 0 && o.Retention < idempotency.MinRetention && !o.AllowShortRetention:
		return nil, fmt.Errorf("memstore: Options.Retention of %v is less than %v, for which senders retry; AllowShortRetention accepts it",
			o.Retention, idempotency.MinRetention)
	}
	return s, nil
}

// init makes the zero Store usable, with an unpredictable seed, so that
// a sender cannot choose IDs that all meet in one shard.
func (s *Store) init() {
	s.ready.Do(func() {
		s.opts.MaxRecords = cmp.Or(s.opts.MaxRecords, DefaultMaxRecords)
		s.opts.Retention = cmp.Or(s.opts.Retention, idempotency.DefaultRetention)
		s.seed = maphash.MakeSeed()
		s.epoch = time.Now()
	})
}

// Retention is how long a record is kept; 0 if a short one was allowed.
func (s *Store) Retention() time.Duration {
	if s.opts.AllowShortRetention {
		return 0
	}
	return cmp.Or(s.opts.Retention, idempotency.DefaultRetention)
}

// Len returns the number of records held, expired ones included.
func (s *Store) Len() int { return int(s.count.Load()) }

// purgeBatch is how many records are deleted under one lock at most: claims wait
// for tens of microseconds, not for the whole shard.
const purgeBatch = 256

// Purge deletes the records that have expired and returns their number, also if
// ctx ends before all are deleted. Calling it is never needed for correctness or
// for staying within MaxRecords.
func (s *Store) Purge(ctx context.Context) (n int, err error) {
	s.init()
	for i := range s.shards {
		for {
			if err := ctx.Err(); err != nil {
				return n, fmt.Errorf("memstore: purge: %w", err)
			}
			m := s.sweep(&s.shards[i], purgeBatch)
			n += m
			if m < purgeBatch {
				break
			}
		}
	}
	return n, nil
}

// reserve takes the right to one more record, and reports whether there is one.
func (s *Store) reserve() bool {
	for {
		n := s.count.Load()
		if n >= int64(s.opts.MaxRecords) {
			return false
		}
		if s.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// reclaim deletes expired records, some of every shard, and reports whether there
// were any.
func (s *Store) reclaim() (freed bool) {
	for i := range s.shards {
		if s.sweep(&s.shards[i], 4) > 0 {
			freed = true
		}
	}
	return freed
}

// sweep deletes at most limit expired records of sh and returns how many.
func (s *Store) sweep(sh *shard, limit int) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	n := sh.sweep(s.now(), limit)
	s.count.Add(-int64(n))
	return n
}

// now returns the instant, by the monotonic clock. It is read with the shard
// locked, so that the instants that a shard sees never go back.
func (s *Store) now() time.Duration { return time.Since(s.epoch) }
