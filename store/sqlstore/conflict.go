package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
)

// conflict reports whether err says that the transaction was undone because of
// another one, so that it is worth beginning again.
func conflict(d Dialect, err error) bool {
	if err == nil || errors.Is(err, errChanging) {
		return err != nil
	}
	switch d {
	case PostgreSQL:
		// serialization_failure, deadlock_detected; see
		// https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
		state := sqlState(err)
		return state == "40001" || state == "40P01"
	case SQLite:
		// SQLITE_BUSY and SQLITE_LOCKED, the low byte of their extended codes;
		// see https://www.sqlite.org/rescode.html
		code, ok := errorNumber(d, err)
		return ok && (code&0xff == 5 || code&0xff == 6)
	case MySQL:
		code, ok := errorNumber(d, err)
		return ok && (code == mysqlDeadlock || code == mysqlChanged)
	}
	return false
}

// lockTimeout reports whether err says that a lock was not had in time.
func lockTimeout(d Dialect, err error) bool {
	if errors.Is(err, errWaited) {
		return true
	}
	switch d {
	case PostgreSQL:
		return sqlState(err) == "55P03" // lock_not_available
	case MySQL:
		code, ok := errorNumber(d, err)
		return ok && code == mysqlLockTimeout
	}
	return false
}

// Error numbers of MySQL and MariaDB; see
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
const (
	mysqlChanged     = 1020 // ER_CHECKREAD, of MariaDB's snapshot isolation
	mysqlDuplicate   = 1062 // ER_DUP_ENTRY
	mysqlLockTimeout = 1205 // ER_LOCK_WAIT_TIMEOUT; the transaction stays open
	mysqlDeadlock    = 1213 // ER_LOCK_DEADLOCK; the transaction is rolled back
)

// sqlState returns the SQLSTATE of err, which the errors of pgx and of lib/pq
// tell; "" if there is none.
func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	return ""
}

// errorNumber returns the number that d's driver has given err. No driver is
// imported, so it looks for an error whose package is named after the database,
// lest the number be another's, and asks it for what those of the known drivers
// have: a method Code (modernc.org/sqlite), or a field Code (mattn/go-sqlite3) or
// Number (go-sql-driver/mysql).
func errorNumber(d Dialect, err error) (n int, ok bool) {
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.IsValid() && strings.Contains(v.Type().PkgPath(), string(d)) {
		if e, ok := err.(interface{ Code() int }); ok {
			return e.Code(), true
		}
		if n, ok := numberField(v); ok {
			return n, true
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return errorNumber(d, e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if n, ok := errorNumber(d, inner); ok {
				return n, true
			}
		}
	}
	return 0, false
}

func numberField(v reflect.Value) (n int, ok bool) {
	if v.Kind() != reflect.Struct {
		return 0, false
	}
	for _, name := range []string{"Code", "Number"} {
		f := v.FieldByName(name)
		switch {
		case f.CanInt():
			return int(f.Int()), true
		case f.CanUint():
			return int(f.Uint()), true
		}
	}
	return 0, false
}

// The pauses between tries double from minPause to maxPause, less a random part
// of up to a half, so that those who met do not meet again.
const (
	minPause = 2 * time.Millisecond
	maxPause = 100 * time.Millisecond
	minTries = 3
)

// A backoff says for how long to wait before the next try, and when to give up.
type backoff struct {
	until time.Time
	tries int
}

// wait pauses and reports whether to try again.
func (b *backoff) wait(ctx context.Context) bool {
	b.tries++
	pause := min(minPause<<min(b.tries-1, 10), maxPause)
	pause -= rand.N(pause / 2)
	if b.tries >= minTries && time.Now().Add(pause).After(b.until) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
