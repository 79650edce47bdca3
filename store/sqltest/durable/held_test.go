package durable_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

func keyOf(name string) idempotency.Key { return idempotency.Key{Scope: "durable", ID: name} }

func nothing(context.Context, transaction) error { return nil }

// effect returns work that leaves one row for the event.
func effect(name string) work {
	return func(ctx context.Context, tx transaction) error {
		return tx.exec(ctx, "INSERT INTO effects (name) VALUES ('"+name+"')")
	}
}

// createTables creates the store's tables and one of effects.
func createTables(t *testing.T, s *server) {
	t.Helper()
	store, db := newStore(t, s, false, 0)
	if err := store.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "CREATE TABLE effects (name VARCHAR(80) NOT NULL)")
}

// acknowledges reports whether a delivery that ended with err was answered for good.
func acknowledges(err error) bool {
	return err == nil || errors.Is(err, idempotency.ErrDuplicate) || errors.Is(err, idempotency.ErrDead)
}

// A pair is a first delivery, whose commit hangs in the log that is held back, and a
// copy of it that comes on other connections.
type pair struct {
	name    string
	first   func(ctx context.Context) error
	copy    func(ctx context.Context) error
	bounded bool // the copy ends by itself, as in flight
	dead    bool // the event is dead afterwards, without an effect
	run     bool // the first delivery commits in RunTx, which does not let COMMIT be canceled
	outside bool // the effect is there before, as that of a lease is: without the record there is another
}

// pairs are one for each place where something is answered on the strength of a
// record that was read.
func pairs(t *testing.T, s *server) []pair {
	t.Helper()
	const wait = 300 * time.Millisecond
	runTx := func(name string) func(context.Context) error {
		// MariaDB with a binary log may hold back a first delivery's claim too.
		store, _ := newStore(t, s, false, time.Minute)
		return func(ctx context.Context) error { return store.run(ctx, keyOf(name), effect(name)) }
	}
	var all []pair
	for name, primed := range map[string]bool{"run": false, "run, looked up first": true} {
		store, _ := newStore(t, s, primed, wait)
		copy := func(ctx context.Context) error { return store.run(ctx, keyOf(name), effect(name)) }
		all = append(all, pair{name: name, first: runTx(name), copy: copy, bounded: true, run: true})
	}
	for name, primed := range map[string]bool{"claim": false, "claim, looked up first": true} {
		store, _ := newStore(t, s, primed, wait)
		all = append(all, pair{name: name, first: runTx(name), copy: claimLease(store, name), bounded: true, run: true})
	}
	one, _ := newStoreOn(t, s, 1, wait)
	all = append(all, pair{
		name:    "pool of one",
		first:   runTx("pool of one"),
		copy:    func(ctx context.Context) error { return one.run(ctx, keyOf("pool of one"), effect("pool of one")) },
		bounded: true,
		run:     true,
	})
	claimTx := func(name string) func(context.Context) error { return ownTx(t, s, name, transaction.claim) }
	claimBatchTx := func(name string) func(context.Context) error { return ownTx(t, s, name, claimBatch) }
	all = append(all,
		pair{name: "ClaimTx", first: runTx("ClaimTx"), copy: claimTx("ClaimTx"), run: true},
		pair{name: "ClaimBatchTx", first: claimTx("ClaimBatchTx"), copy: claimBatchTx("ClaimBatchTx")},
		pair{name: "batch first", first: claimBatchTx("batch first"), copy: runCopy(t, s, "batch first"), bounded: true},
		completePair(t, s),
		httpPair(t, s))
	if s.pgxpool {
		all = append(all, batchPair(t, s))
	}
	if !s.rollbackWaits {
		all = append(all, deadPair(t, s))
	}
	return append(all, leasePairs(t, s)...)
}

// runCopy is a copy that is in flight for at most a third of a second.
func runCopy(t *testing.T, s *server, name string) func(context.Context) error {
	store, _ := newStore(t, s, false, 300*time.Millisecond)
	return func(ctx context.Context) error { return store.run(ctx, keyOf(name), effect(name)) }
}

// ownTx claims in a transaction of the caller's, and acknowledges a duplicate as
// ClaimTx says: after a commit.
func ownTx(t *testing.T, s *server, name string, claim func(transaction, context.Context, idempotency.Key) error) func(context.Context) error {
	store, _ := newStore(t, s, false, 300*time.Millisecond)
	return func(ctx context.Context) error {
		var claimed error
		err := store.inTx(ctx, func(ctx context.Context, tx transaction) error {
			if claimed = claim(tx, ctx, keyOf(name)); claimed == nil {
				return effect(name)(ctx, tx)
			}
			if acknowledges(claimed) {
				return nil
			}
			return claimed
		})
		return cmp.Or(err, claimed)
	}
}

// claimBatch is ClaimTx by ClaimBatchTx.
func claimBatch(tx transaction, ctx context.Context, key idempotency.Key) error {
	claimed, err := tx.claimBatch(ctx, []idempotency.Key{key})
	if err == nil && !claimed[0] {
		err = idempotency.ErrDuplicate
	}
	return err
}

// completePair completes a lease that CompleteTx may have completed.
func completePair(t *testing.T, s *server) pair {
	const name = "CompleteTx"
	store, _ := newStore(t, s, false, 0)
	other, _ := newStore(t, s, false, 300*time.Millisecond)
	owner := lease.NewOwner()
	rec, won, err := store.Claim(t.Context(), keyOf(name), lease.Terms{Owner: owner, Lease: time.Second})
	if err != nil || !won {
		t.Fatal(won, err)
	}
	claim := lease.Claim{Key: keyOf(name), Owner: owner, Token: rec.Token}
	first := func(ctx context.Context) error {
		return store.inTx(ctx, func(ctx context.Context, tx transaction) error {
			return errors.Join(effect(name)(ctx, tx), tx.complete(ctx, claim))
		})
	}
	return pair{name: name, first: first, copy: func(ctx context.Context) error { return other.Complete(ctx, claim, nil) }}
}

// batchPair is of events that are a batch each.
func batchPair(t *testing.T, s *server) pair {
	const name = "RunBatch"
	runBatch := func(wait time.Duration) func(context.Context) error {
		store := newPgxstore(t, s, 4, wait, nil)
		return func(ctx context.Context) error {
			batch := new(pgx.Batch)
			batch.Queue("INSERT INTO effects (name) VALUES ('" + name + "')")
			return store.RunBatch(ctx, keyOf(name), batch)
		}
	}
	return pair{name: name, first: runBatch(time.Minute), copy: runBatch(300 * time.Millisecond), bounded: true, run: true}
}

// deadPair records a failure after a rollback.
func deadPair(t *testing.T, s *server) pair {
	const name = "dead"
	work := func(context.Context, transaction) error { return idempotency.Permanent(errors.New("never")) }
	store, _ := newStore(t, s, false, time.Minute)
	other, _ := newStore(t, s, false, 300*time.Millisecond)
	return pair{
		name:    name,
		first:   func(ctx context.Context) error { return store.run(ctx, keyOf(name), work) },
		copy:    func(ctx context.Context) error { return other.run(ctx, keyOf(name), effect(name)) },
		bounded: true,
		run:     true,
		dead:    true,
	}
}

// While the log is held back, a duplicate is not acknowledged; the server is killed;
// every event that was acknowledged has its record and its effect.
func TestDurable_LogHeldBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		checkReleased(t, s)
		checkKilled(t, s)
	})
}

// eachEngine runs f as a subtest on a new server of each kind, with its tables.
func eachEngine(t *testing.T, f func(t *testing.T, s *server)) {
	t.Helper()
	engines := map[string]engine{
		"MariaDB":            mariaDB(true),
		"MariaDB binlog":     mariaDB(false, "--log-bin=binlog", "--server-id=1", "--sync-binlog=1"),
		"PostgreSQL pgx":     postgreSQL("pgx"),
		"PostgreSQL lib-pq":  postgreSQL("postgres"),
		"PostgreSQL pgxpool": postgreSQL("pgxpool"),
	}
	if os.Getenv("HOOKONCE_MYSQLD") != "" {
		engines["MySQL"] = mySQL(true, "--disable-log-bin")
		engines["MySQL binlog"] = mySQL(false, "--log-bin=binlog", "--server-id=1", "--sync-binlog=1")
	}
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, e)
			createTables(t, s)
			f(t, s)
		})
	}
}

// checkReleased checks that a duplicate waits, and is acknowledged once the log is
// written.
func checkReleased(t *testing.T, s *server) {
	t.Helper()
	const name = "released"
	first, _ := newStore(t, s, false, 0)
	second, _ := newStore(t, s, false, 20*time.Second)
	release := s.hold(t)
	defer release()
	firstErr, secondErr, begun := make(chan error, 1), make(chan error, 1), make(chan struct{}, 1)
	go func() {
		firstErr <- first.run(t.Context(), keyOf(name), func(ctx context.Context, tx transaction) error {
			select {
			case begun <- struct{}{}:
			default: // it was called before
			}
			return effect(name)(ctx, tx)
		})
	}()
	select {
	case <-begun: // else the duplicate could be first
	case <-time.After(5 * time.Second): // its claim is held back too
	}
	time.Sleep(200 * time.Millisecond)
	go func() { secondErr <- second.run(t.Context(), keyOf(name), effect(name)) }()
	select {
	case err := <-firstErr:
		t.Errorf("first delivery ended while the log was held back: %v", err)
		firstErr <- err
	case err := <-secondErr:
		t.Errorf("duplicate ended while the log was held back: %v", err)
		secondErr <- err
	case <-time.After(300 * time.Millisecond):
	}
	release()
	if err := <-firstErr; err != nil {
		t.Errorf("first delivery: %v", err)
	}
	if err := <-secondErr; !errors.Is(err, idempotency.ErrDuplicate) {
		t.Errorf("duplicate: got %v, want ErrDuplicate", err)
	}
}

func checkKilled(t *testing.T, s *server) {
	t.Helper()
	all := pairs(t, s)
	release := s.hold(t)
	defer release()
	ctx := context.WithoutCancel(t.Context())
	firsts, copies := make([]chan error, len(all)), make([]chan error, len(all))
	for i, p := range all {
		firsts[i], copies[i] = start(ctx, p.first), nil
	}
	time.Sleep(2 * time.Second) // in which all of them get to their COMMIT
	checkVisible(t, s, all)
	for i, p := range all {
		copies[i] = start(ctx, p.copy)
	}
	acknowledged := make(map[string]bool)
	for i, p := range all {
		checkCopy(t, s, p, copies[i], acknowledged)
		select {
		case err := <-firsts[i]:
			t.Errorf("%s: first delivery ended while the log was held back: %v", p.name, err)
			firsts[i] <- err
		default:
		}
	}
	s.kill(t)
	release()
	s.start(t)
	for i, p := range all {
		acknowledged[p.name] = acknowledged[p.name] || acknowledges(<-firsts[i])
	}
	balance(t, s, all, acknowledged)
}

func start(ctx context.Context, f func(context.Context) error) chan error {
	c := make(chan error, 1)
	go func() { c <- f(ctx) }()
	return c
}

// checkVisible checks that the log is held back as it should be: that the first
// deliveries are visible only where commits are shown early.
func checkVisible(t *testing.T, s *server, all []pair) {
	t.Helper()
	db := s.open(t)
	var missing []string
	for range 100 {
		visible := visible(t, db)
		missing = nil
		for _, p := range all {
			if visible[p.name] && !s.early {
				t.Fatalf("%s: first delivery is visible while the log is held back", p.name)
			}
			if !visible[p.name] {
				missing = append(missing, p.name)
			}
		}
		if !s.early || missing == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("first deliveries %q are not visible while the log is held back", missing)
}

// visible returns the names of the events that the server shows as settled.
func visible(t *testing.T, db *sql.DB) map[string]bool {
	t.Helper()
	query := "SELECT id FROM " + sqlstore.DefaultTable + " WHERE state IN (2, 4)"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		t.Fatalf("what is visible cannot be read: %v", err)
	}
	defer rows.Close()
	found := make(map[string]bool)
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		found[string(id)] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// checkCopy checks that a copy is not acknowledged while the log is held back.
func checkCopy(t *testing.T, s *server, p pair, ended chan error, acknowledged map[string]bool) {
	t.Helper()
	patience := 10 * time.Second
	if !p.bounded {
		patience = 100 * time.Millisecond
	}
	select {
	case err := <-ended:
		acknowledged[p.name] = acknowledges(err)
		if acknowledges(err) || p.bounded && s.early && !errors.Is(err, idempotency.ErrInFlight) {
			t.Errorf("%s: copy: got %v while the log was held back, want ErrInFlight", p.name, err)
		}
	case <-time.After(patience):
		if p.bounded {
			t.Errorf("%s: copy is not answered in %v", p.name, patience)
		}
	}
}

// balance checks that every event that was acknowledged is recorded, that records and
// effects are one, and that one more delivery of each event settles it.
func balance(t *testing.T, s *server, all []pair, acknowledged map[string]bool) {
	t.Helper()
	store, db := newStore(t, s, false, 0)
	time.Sleep(time.Second) // the lease of CompleteTx expires
	for _, p := range all {
		before := effects(t, db, p.name)
		err := store.run(t.Context(), keyOf(p.name), effect(p.name))
		switch {
		case err == nil && acknowledged[p.name]:
			t.Errorf("%s: lost: it was acknowledged, and has no record after the crash", p.name)
		case err == nil && before != 0 && !p.outside:
			t.Errorf("%s: %d effects without a record", p.name, before)
		case err != nil && !acknowledges(err):
			t.Errorf("%s: delivery after the crash: %v", p.name, err)
		}
		want := 1
		if errors.Is(err, idempotency.ErrDead) && p.dead {
			want = 0
		}
		if err == nil && p.outside {
			want = before + 1
		}
		if got := effects(t, db, p.name); got != want {
			t.Errorf("%s: %d effects, want %d", p.name, got, want)
		}
	}
}

func effects(t *testing.T, db *sql.DB, name string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM effects WHERE name = '"+name+"'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
