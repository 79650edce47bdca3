package memstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

var _ lease.Store = (*Store)(nil)

// Claim implements [lease.Store]. Besides the context's error it reports
// [ErrFull], for a key that has no record.
func (s *Store) Claim(ctx context.Context, key idempotency.Key, terms lease.Terms) (lease.Record, bool, error) {
	if err := check(ctx, key, terms); err != nil {
		return lease.Record{}, false, fmt.Errorf("memstore: claim: %w", err)
	}
	s.init()
	var buf [maxName]byte
	name := appendName(buf[:0], key)
	sh := s.shard(name)
	for {
		sh.mu.Lock()
		if r, now := s.lookup(sh, name); r != nil {
			was := r.state
			won, counted := r.claim(terms, now)
			if r.state != was || won {
				sh.touch(r, now, s.opts.Retention)
			}
			rec := r.export(now)
			sh.mu.Unlock()
			rec.Stolen, rec.Counted = won && was == lease.Claimed, counted
			rec.Result = clone(rec.Result)
			return rec, won, nil
		}
		sh.mu.Unlock()
		// If it finds none, another claim may have deleted them first, and left room.
		if !s.reclaim() && s.Len() >= s.opts.MaxRecords {
			return lease.Record{}, false, fmt.Errorf("memstore: claim: %w", ErrFull)
		}
	}
}

// lookup returns the record of name, a new one if there is none or it has
// expired. It returns nil if there is no room for it.
func (s *Store) lookup(sh *shard, name []byte) (*record, time.Duration) {
	now := s.now()
	r := sh.records[string(name)]
	if r != nil {
		if r.expired(now) {
			r.reset()
		}
		return r, now
	}
	// Two old records go for each new one, so that garbage cannot pile up. The
	// room of one of them is taken without a look at the count, which all cores
	// share: when as many records come as go, it is not touched.
	freed := sh.sweep(now, 2)
	switch {
	case freed == 0 && !s.reserve():
		return nil, now
	case freed > 1:
		s.count.Add(int64(1 - freed))
	}
	return sh.insert(string(name)), now
}

// Renew implements [lease.Store].
func (s *Store) Renew(ctx context.Context, c lease.Claim, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("memstore: renew: %w", errNoLease)
	}
	return s.update(ctx, "renew", c, func(r *record, now time.Duration) bool { return r.renew(end(now, lease)) })
}

// Complete implements [lease.Store]. It keeps a copy of result.
func (s *Store) Complete(ctx context.Context, c lease.Claim, result *idempotency.Result) error {
	result = clone(result)
	return s.update(ctx, "complete", c, func(r *record, _ time.Duration) bool { return r.complete(result) })
}

// Release implements [lease.Store].
func (s *Store) Release(ctx context.Context, c lease.Claim, f lease.Failure) error {
	return s.update(ctx, "release", c, func(r *record, now time.Duration) bool { return r.release(f, now) })
}

// update calls f, with the shard locked, on the record whose latest claim is c.
// f reports whether c still held it.
func (s *Store) update(ctx context.Context, what string, c lease.Claim, f func(r *record, now time.Duration) bool) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %s: %w", what, err)
	}
	s.init()
	var buf [maxName]byte
	name := appendName(buf[:0], c.Key)
	sh := s.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	r := sh.records[string(name)]
	now := s.now()
	if r == nil || r.owner != c.Owner || r.claims != c.Token || !f(r, now) {
		return idempotency.ErrLeaseLost
	}
	sh.touch(r, now, s.opts.Retention)
	return nil
}

var (
	errNoLease = errors.New("no lease")
	errNoOwner = errors.New("no owner")
)

// check refuses what breaks the contract on the caller's side. A claim without
// an owner would not be fenced.
func check(ctx context.Context, key idempotency.Key, terms lease.Terms) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case terms.Owner == lease.Owner{}:
		return errNoOwner
	case terms.Lease <= 0:
		return errNoLease
	}
	return key.Validate()
}

// maxName is the length of the longest name of a key.
const maxName = binary.MaxVarintLen16 + 2*idempotency.MaxKeyBytes

// appendName appends the one string under which key is kept. It starts with the
// length of the scope, so that ("a", "bc") and ("ab", "c") differ. Being a copy,
// it does not hold on to the buffer that the caller cut the ID from.
func appendName(b []byte, key idempotency.Key) []byte {
	b = binary.AppendUvarint(b, uint64(len(key.Scope)))
	b = append(b, key.Scope...)
	return append(b, key.ID...)
}

func (s *Store) shard(name []byte) *shard {
	return &s.shards[maphash.Bytes(s.seed, name)%uint64(len(s.shards))]
}
