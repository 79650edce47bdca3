package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/internal/records"
)

// probes are key parts that some type, collation or conversion confuses.
var probes = []string{
	"a", "A", "a ", "a\x00", " a", "\u00e9", "e\u0301", "\xff", "\xfe", "1", "01", "1.0",
	strings.Repeat("x", idempotency.MaxKeyBytes-1) + "y",
	strings.Repeat("x", idempotency.MaxKeyBytes-1) + "z",
}

// A probe tries records in a transaction that is rolled back.
type probe struct {
	store *Store
	tx    *sql.Tx
	name  string // is in every key, and unique
}

// inProbe calls f in a transaction and rolls it back.
func (s *Store) inProbe(ctx context.Context, f func(p probe) error) error {
	return s.engine.InTransaction(ctx, func(t records.Transaction[*sql.Tx]) error {
		owner := lease.NewOwner()
		return f(probe{s, t.Tx(), fmt.Sprintf("check %x", owner[:])})
	})
}

// checkRollback finds tables whose engine has no transactions, which MySQL allows.
func (s *Store) checkRollback(ctx context.Context) error {
	var key idempotency.Key
	err := s.inProbe(ctx, func(p probe) error {
		key = idempotency.Key{Scope: p.name, ID: p.name}
		_, err := p.store.table.Insert(ctx, p.store.on(p.tx), records.Request{Key: key, State: lease.Done, Owner: []byte{}})
		return err
	})
	if err != nil {
		return s.refuses("inserting", err)
	}
	_, err = s.table.Find(ctx, s.pool(), key)
	switch {
	case err == nil:
		return fmt.Errorf("table %s does not roll back, because its engine has no transactions: change it to InnoDB", s.o.Table)
	case !errors.Is(err, sql.ErrNoRows):
		return s.refuses("reading", err)
	}
	return nil
}

// refuses is the error about a statement that the table fails.
func (s *Store) refuses(doing string, err error) error {
	if s.table.Dialect.ReadOnly(err) {
		return fmt.Errorf("the server takes no writes, as a standby or a replica: connect to the primary: %w", err)
	}
	return fmt.Errorf("table %s fails on %s: %w; alter it to be as in Schema, or grant SELECT, INSERT, UPDATE and DELETE", s.o.Table, doing, err)
}

func (s *Store) checkRecords(ctx context.Context) error {
	return s.inProbe(ctx, func(p probe) error {
		for _, check := range []func(context.Context) error{p.keys, p.values, p.payload, p.types} {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// keys inserts keys that must stay distinct, each of them twice, and reads them back.
func (p probe) keys(ctx context.Context) error {
	var keys []idempotency.Key
	for _, part := range probes {
		keys = append(keys, idempotency.Key{Scope: p.name, ID: part}, idempotency.Key{Scope: part, ID: p.name})
	}
	for _, want := range []bool{true, false} {
		for _, key := range keys {
			won, err := p.store.table.Insert(ctx, p.store.on(p.tx), records.Request{Key: key, State: lease.Done, Owner: []byte{}})
			switch {
			case err != nil:
				return p.store.refuses(fmt.Sprintf("inserting the key %.60v", key), err)
			case won && !want:
				return fmt.Errorf("table %s accepts a second record with the same key: add PRIMARY KEY (scope, id)", p.store.o.Table)
			case !won && want:
				return fmt.Errorf("table %s takes the key %.60v for another, because scope or id does not compare byte for byte: give them their types in Schema", p.store.o.Table, key)
			}
		}
	}
	for _, key := range keys {
		if _, err := p.store.table.Find(ctx, p.store.on(p.tx), key); err != nil {
			return p.store.refuses(fmt.Sprintf("reading the key %.60v", key), err)
		}
	}
	return nil
}

// values completes one record and releases another with the largest values that the
// columns must hold.
func (p probe) values(ctx context.Context) error {
	owner := lease.NewOwner()
	claimed := lease.Record{
		Owner:       owner,
		Token:       1,
		Attempts:    1,
		LeaseLeft:   1000 * time.Hour,
		Fingerprint: idempotency.FingerprintOf(owner[:]),
	}
	done, dead := claimed, claimed
	done.State = lease.Done
	done.Result = &idempotency.Result{
		Status:      599,
		ContentType: strings.Repeat("x", records.MaxName),
		Body:        bytes.Repeat([]byte{0, 0xff}, 1<<15+1),
	}
	dead.State = lease.Dead
	dead.LastError = strings.Repeat("x", lease.MaxReasonBytes)
	if err := p.keeps(ctx, done, p.store.table.SQL().Complete, records.ResultArgs(done.Result)...); err != nil {
		return err
	}
	if err := p.keeps(ctx, dead, p.store.table.SQL().Release, int(dead.State), dead.LastError, 0); err != nil {
		return err
	}
	return p.keepsTime(ctx)
}

// keepsTime reads the age of the dead record. A time that the column has truncated is
// long ago, and a purge would delete the record at once.
func (p probe) keepsTime(ctx context.Context) error {
	var ignored any
	var age int64
	d, from := p.store.table.Dialect, records.Position{Scope: []byte(p.name), ID: []byte("values")}
	args := append(append(from.After(d), last.After(d)...), 1)
	err := p.tx.QueryRowContext(ctx, p.store.table.SQL().Failures, args...).Scan(&ignored, &ignored, &ignored, &ignored, &ignored, &age)
	if err != nil {
		return p.store.refuses("reading the time of a change", err)
	}
	if time.Duration(age)*time.Microsecond > time.Hour {
		return p.alters("changed_at")
	}
	return nil
}

// alters is the error about columns that return another value than was written.
func (p probe) alters(columns ...string) error {
	return fmt.Errorf("table %s alters what is written to %s: give the columns their types in Schema", p.store.o.Table, strings.Join(columns, ", "))
}

// keeps claims a record, ends the claim with the fenced statement end, and compares
// the record with want.
func (p probe) keeps(ctx context.Context, want lease.Record, end string, args ...any) error {
	key := idempotency.Key{Scope: p.name, ID: "values " + want.State.String()}
	b := records.Request{Key: key, State: lease.Claimed, Owner: want.Owner[:], Length: want.LeaseLeft, Fingerprint: want.Fingerprint}
	if _, err := p.store.table.Insert(ctx, p.store.on(p.tx), b); err != nil {
		return p.store.refuses("inserting a claim", err)
	}
	c := lease.Claim{Key: key, Owner: want.Owner, Token: want.Token}
	err := p.store.fenced(ctx, p.tx, c, "check", end, args...)
	if errors.Is(err, idempotency.ErrLeaseLost) {
		return p.alters("owner or token")
	}
	if err != nil {
		return p.store.refuses("writing the largest values", err)
	}
	got, err := p.store.table.Find(ctx, p.store.on(p.tx), key)
	if err != nil {
		return p.store.refuses("reading the largest values", err)
	}
	if names := differing(got.Record, want); len(names) > 0 {
		return p.alters(names...)
	}
	return nil
}

// differing returns the names of the columns in which two records differ.
func differing(got, want lease.Record) (names []string) {
	var gotResult, wantResult idempotency.Result
	if got.Result != nil {
		gotResult = *got.Result
	}
	if want.Result != nil {
		wantResult = *want.Result
	}
	for _, column := range []struct {
		name string
		same bool
	}{
		{"state", got.State == want.State},
		{"owner", got.Owner == want.Owner},
		{"token", got.Token == want.Token},
		{"attempts", got.Attempts == want.Attempts},
		{"lease_until", (got.LeaseLeft - want.LeaseLeft).Abs() < time.Hour},
		{"fingerprint", got.Fingerprint == want.Fingerprint},
		{"last_error", got.LastError == want.LastError},
		{"result_status", gotResult.Status == wantResult.Status},
		{"result_type", gotResult.ContentType == wantResult.ContentType},
		{"result_body", bytes.Equal(gotResult.Body, wantResult.Body)},
	} {
		if !column.same {
			names = append(names, column.name)
		}
	}
	return names
}

// payload stores the largest values that the table of payloads must hold.
func (p probe) payload(ctx context.Context) error {
	if !p.store.o.KeepPayloads {
		return nil
	}
	table := p.store.o.Table + "_payloads"
	long := strings.Repeat("\u00e9", 1<<15+1)
	want := hmacverify.Stored{Scheme: "check", Type: long, Body: bytes.Repeat([]byte{0, 0xff}, 1<<15+1)}
	key := idempotency.Key{Scope: p.name, ID: "payload"}
	err := p.store.table.InsertPayload(ctx, p.store.on(p.tx), key, want)
	if p.store.table.Dialect.MissingTable(err) {
		return fmt.Errorf("table %s does not exist: run the statements of Schema", table)
	}
	if err != nil {
		return fmt.Errorf("table %s fails on inserting: %w; alter it to be as in Schema", table, err)
	}
	got, err := p.store.table.FindPayload(ctx, p.store.on(p.tx), key)
	if err != nil {
		return fmt.Errorf("table %s fails on reading: %w; alter it to be as in Schema", table, err)
	}
	if got.Type != long || !bytes.Equal(got.Body, want.Body) {
		return fmt.Errorf("table %s alters what is written to it: give its columns their types in Schema", table)
	}
	return nil
}

// types finds a SQLite table that is not STRICT. It would accept a key that is bound
// as text, such as one that another program has copied, beside the same key as a
// blob.
func (p probe) types(ctx context.Context) error {
	if p.store.table.SQL().InsertText == "" {
		return nil
	}
	if _, err := p.tx.ExecContext(ctx, p.store.table.SQL().InsertText, p.name); err == nil {
		return fmt.Errorf("table %s accepts text as a key, because it is not STRICT: create it with the statements of Schema", p.store.o.Table)
	}
	return nil
}
