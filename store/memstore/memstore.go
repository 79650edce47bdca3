// Package memstore is an [idempotency.Store] in the memory of one process.
//
//	once := &idempotency.Leased{Store: new(memstore.Store)}
//
// It is not durable and not shared. A restart forgets every event, and the next
// delivery of each is applied again; two processes know nothing of each other.
// Use it for tests, for programs of one process whose effects may be repeated
// after a restart, and to try things out. Where an event must not be applied
// twice, use a store that outlives the process, such as sqlstore.
//
// # Memory
//
// A [Store] holds at most [Options.MaxRecords] records, of about 220 bytes each
// with an ID of 36 bytes; results and failure reasons are extra. When it is full
// it refuses new keys with [ErrFull]. It never forgets a record to make room,
// except those that have expired.
//
// # Retention
//
// A record expires when nothing has happened to it for [Options.Retention]: from
// then on its key is free, as if it had never been seen. A claim that was
// neither completed nor released expires that long after the end of its lease.
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
)

// Defaults and limits of [Options].
const (
	DefaultMaxRecords = 1_000_000
	DefaultRetention  = 30 * 24 * time.Hour

	// MinRetention is for how long senders are known to repeat deliveries.
	MinRetention = 72 * time.Hour
)

// ErrFull means that the store holds as many records as it may, none of them
// expired, and the key is not among them.
var ErrFull = errors.New("memstore: full")

// Options are what a [Store] can be told. The zero Options are the defaults.
type Options struct {
	// MaxRecords is how many records the store holds at most. 0 means
	// [DefaultMaxRecords].
	MaxRecords int

	// Retention is for how long a record is kept after the last thing that
	// happened to it. 0 means [DefaultRetention]; less than [MinRetention] is
	// refused unless ForgetBeforeSendersDo is set.
	Retention time.Duration

	// ForgetBeforeSendersDo allows any Retention. An event whose sender
	// repeats it after its record has expired is applied a second time.
	ForgetBeforeSendersDo bool
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
}

// New returns a Store with opts; nil means the defaults.
func New(opts *Options) (*Store, error) {
	s := new(Store)
	if opts != nil {
		s.opts = *opts
	}
	switch o := s.opts; {
	case o.MaxRecords < 0:
		return nil, fmt.Errorf("memstore: MaxRecords is negative: %d", o.MaxRecords)
	case o.Retention < 0:
		return nil, fmt.Errorf("memstore: Retention is negative: %v", o.Retention)
	case o.Retention > 0 && o.Retention < MinRetention && !o.ForgetBeforeSendersDo:
		return nil, fmt.Errorf("memstore: Retention of %v is less than %v, for which senders repeat deliveries",
			o.Retention, MinRetention)
	}
	return s, nil
}

// init makes the zero Store usable, with a seed that nobody can foresee, so that
// a sender cannot choose IDs that all meet in one shard.
func (s *Store) init() {
	s.ready.Do(func() {
		s.opts.MaxRecords = cmp.Or(s.opts.MaxRecords, DefaultMaxRecords)
		s.opts.Retention = cmp.Or(s.opts.Retention, DefaultRetention)
		s.seed = maphash.MakeSeed()
		s.epoch = time.Now()
	})
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

// reclaim deletes expired records, some of every shard, and returns how many.
func (s *Store) reclaim() (n int) {
	for i := range s.shards {
		n += s.sweep(&s.shards[i], 4)
	}
	return n
}

// sweep deletes at most limit expired records of sh and returns how many.
func (s *Store) sweep(sh *shard, limit int) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	n := sh.sweep(s.now(), s.opts.Retention, limit)
	if n > 0 {
		s.count.Add(-int64(n))
	}
	return n
}

// now returns the instant, by the monotonic clock. It is read with the shard
// locked, so that the instants that a shard sees never go back.
func (s *Store) now() time.Duration { return time.Since(s.epoch) }
