package storetest_test

import (
	"context"
	"strconv"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// name is the key that a row is found by.
func (s *flawed) name(k idempotency.Key) string {
	id, scope := k.ID, k.Scope
	switch s.flaw {
	case keyCaseFolded:
		id, scope = strings.ToLower(id), strings.ToLower(scope)
	case keyTruncated:
		id = id[:min(len(id), 128)]
	case keyTrimmed:
		id = strings.TrimRight(id, " ")
	case keyEndsAtNUL:
		id, _, _ = strings.Cut(id, "\x00")
	case keyNormalized:
		id = strings.ReplaceAll(id, "e\u0301", "\u00e9")
	case keyValidUTF8:
		id = strings.ToValidUTF8(id, "\uFFFD")
	case keyNumeric:
		if n, err := strconv.ParseFloat(id, 64); err == nil {
			id = strconv.FormatFloat(n, 'g', -1, 64)
		}
	case keyUnescaped:
		id = strings.ReplaceAll(id, "''", "'")
	case keyWithoutScope:
		scope = ""
	case keyWithoutID:
		id = ""
	case keyJoined:
		return scope + id
	case keyJoinedByColon:
		return scope + ":" + id
	}
	return strconv.Quote(scope) + strconv.Quote(id)
}

// Purge deletes nothing, as no record of a test is old enough.
func (s *flawed) Purge(context.Context) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.rows {
		if s.has(purgesClaimed) && r.State == lease.Claimed ||
			s.has(purgesEnded) && r.State == lease.Claimed && s.ended(r) ||
			s.has(purgesDone) && r.State == lease.Done ||
			s.has(purgesFailed) && (r.State == lease.Released || r.State == lease.Dead) {
			delete(s.rows, name)
			n++
		}
	}
	return n, nil
}
