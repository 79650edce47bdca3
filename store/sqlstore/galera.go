package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/store/internal/records"
)

// On a cluster of Galera, a write set of another node rolls a transaction back that has
// written the same row, whatever that one is doing. The next statement should fail then.
// It does not if the rollback came while a statement was being prepared, which is what the
// driver does with one that has parameters: that statement, and all after it, would be
// committed one by one, and COMMIT, of nothing, would succeed.
//
// So such a transaction runs without autocommit. What follows the rollback is then in a
// new transaction, which lacks the savepoint that this one begins with.
var guard = []string{"SET autocommit = 0", "SAVEPOINT hookonce"}

// guarded reports whether a transaction on c is to be guarded. It asks once.
func (s *Store) guarded(ctx context.Context, c conn) (bool, error) {
	if s.dialect != MySQL {
		return false, nil
	}
	if known := s.galera.Load(); known != nil {
		return *known, nil
	}
	on, err := onGalera(ctx, c)
	if err != nil {
		return false, err
	}
	s.galera.Store(&on)
	return on, nil
}

// onGalera reports whether the server of c is a node. Servers that cannot be have no such
// variable.
func onGalera(ctx context.Context, c conn) (bool, error) {
	var name, value string
	err := c.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return value == "ON", err
}

// checkGalera reports a setting of a node with which an event can be applied twice.
func (s *Store) checkGalera(ctx context.Context) error {
	if on, err := s.guarded(ctx, s.db); err != nil || !on {
		return err
	}
	var name, value string
	if err := s.db.QueryRowContext(ctx, "SHOW SESSION VARIABLES LIKE 'wsrep_on'").Scan(&name, &value); err != nil {
		return fmt.Errorf("reading wsrep_on: %w", err)
	}
	if value != "ON" {
		return errors.New("the session's wsrep_on is OFF, so that no other node learns what was done: leave it ON")
	}
	if err := s.db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'wsrep_provider_options'").Scan(&name, &value); err != nil {
		return fmt.Errorf("reading wsrep_provider_options: %w", err)
	}
	for option := range strings.SplitSeq(value, ";") {
		name, on, _ := strings.Cut(option, "=")
		name, on = strings.TrimSpace(name), strings.TrimSpace(on)
		off := slices.Contains([]string{"false", "no", "off", "0"}, strings.ToLower(on))
		if (name == "pc.ignore_sb" || name == "pc.ignore_quorum") && !off {
			return fmt.Errorf("wsrep_provider_options has %s, with which both halves of a divided cluster apply an event: set it to false", name)
		}
	}
	return nil
}

// errPrepares is the error about a transaction of the caller's, which is not guarded.
var errPrepares = errors.New("on Galera, an abort by another node that comes while a statement is being prepared " +
	"would not be seen in a transaction of your own: set interpolateParams=true in the data source name, or use RunTx")

// ownTx returns an error if what another node aborts in tx, which is the caller's, might
// be taken for committed. It asks each time, as tx may be of any pool.
func (s *Store) ownTx(ctx context.Context, tx *sql.Tx) error {
	on, err := s.guarded(ctx, tx)
	if err != nil || !on {
		return err
	}
	rows, err := tx.QueryContext(ctx, "SELECT ?", 1)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns() // that of a column without a name is its text
	switch {
	case err != nil:
		return err
	case names[0] == "?":
		return errPrepares
	}
	return rows.Close()
}

// stillOpen returns a conflict if tx, on MariaDB with Galera, has been rolled back. The
// statement is not prepared, so a rollback that happens meanwhile makes it fail.
func (s *Store) stillOpen(ctx context.Context, tx *sql.Tx) error {
	if on, err := s.guarded(ctx, tx); err != nil || !on {
		return err
	}
	var open bool
	err := tx.QueryRowContext(ctx, "SELECT TRUE /*M! AND @@in_transaction */").Scan(&open)
	if err == nil && !open {
		err = records.ErrAborted
	}
	return err
}

// guard begins what intact ends. If it fails, there is no transaction.
func (t *transaction) guard(ctx context.Context) error {
	t.guarded = true
	for _, statement := range guard {
		if _, err := t.tx.ExecContext(ctx, statement); err != nil {
			t.tx.Rollback() // the connection could not be closed before
			t.tx = nil
			return err
		}
	}
	return nil
}

// intact returns an error, which is a conflict, if the transaction was rolled back and
// the statements after that are in another one.
func (t *transaction) intact() error {
	if !t.guarded {
		return nil
	}
	_, err := t.tx.ExecContext(context.Background(), "RELEASE SAVEPOINT hookonce")
	if records.Dialect(t.dialect).NoSavepoint(err) {
		return fmt.Errorf("%w: %w", records.ErrAborted, err)
	}
	return err
}

// unguard makes the connection what it was before guard, or drops it. ROLLBACK comes
// first, because turning autocommit on commits.
func (t *transaction) unguard() {
	ctx, cancel := context.WithTimeout(context.Background(), records.CommitTimeout)
	defer cancel()
	for _, statement := range []string{"ROLLBACK", "SET autocommit = 1"} {
		if statement == "ROLLBACK" && t.committed {
			continue
		}
		if _, err := t.conn.ExecContext(ctx, statement); err != nil {
			drop(t.conn)
			return
		}
	}
}
