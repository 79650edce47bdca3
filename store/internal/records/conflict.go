package records

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Conflict reports whether err says that the transaction was rolled back because of
// another one, so that it is worth retrying.
func (d Dialect) Conflict(err error) bool {
	if err == nil || errors.Is(err, ErrChanging) || errors.Is(err, ErrAborted) {
		return err != nil
	}
	switch d {
	case PostgreSQL:
		return d.says(err, conflict) || stalePlan(err)
	case SQLite:
		// SQLITE_BUSY and SQLITE_LOCKED, the low byte of their extended codes;
		// see https://www.sqlite.org/rescode.html
		return d.hasNumber(err, func(n int) bool { return n&0xff == 5 || n&0xff == 6 })
	}
	return d.says(err, conflict)
}

// stalePlan reports whether err says that a prepared statement is older than an ALTER
// of its table. It fails once; the drivers prepare it anew.
func stalePlan(err error) bool {
	return HasState(err, "0A000") && strings.Contains(err.Error(), "cached plan must not change result type")
}

// RivalIndex makes a conflict of an error by which a unique index refused a statement
// of ours that has ON CONFLICT: it was the second index that PostgreSQL builds beside
// the first during REINDEX CONCURRENTLY. In other statements it is the caller's error.
func RivalIndex(err error) error {
	if HasState(err, "23505") {
		return fmt.Errorf("%w: %w", ErrChanging, err)
	}
	return err
}

// ErrAborted means that a guarded transaction was rolled back, and that its statements did
// not say so. It is a conflict.
var ErrAborted = errors.New("the transaction was rolled back because of another one")

// NoSavepoint reports whether err says that the savepoint does not exist.
func (d Dialect) NoSavepoint(err error) bool {
	return d == MySQL && d.hasNumber(err, func(n int) bool { return n == mysqlNoSavepoint })
}

// LockTimeout reports whether err says that a lock was not acquired in time: ours, or
// that of a statement, which may be shorter.
func (d Dialect) LockTimeout(err error) bool {
	return errors.Is(err, ErrWaited) || d.says(err, waited)
}

// Error numbers of MySQL and MariaDB that have a meaning of their own.
const (
	mysqlDuplicate   = 1062 // ER_DUP_ENTRY
	mysqlNoSavepoint = 1305 // ER_SP_DOES_NOT_EXIST
)

// HasState reports whether an error in err's tree has that SQLSTATE, which the
// errors of pgx and of lib/pq tell.
func HasState(err error, state string) bool {
	return anyError(err, func(err error) bool {
		e, ok := err.(interface{ SQLState() string })
		return ok && e.SQLState() == state
	})
}

// StateOf returns the first SQLSTATE in err's tree, or "".
func StateOf(err error) (state string) {
	anyError(err, func(err error) bool {
		e, ok := err.(interface{ SQLState() string })
		if ok {
			state = e.SQLState()
		}
		return ok
	})
	return state
}

// hasNumber reports whether an error of d's driver in err's tree has a number that
// is wanted. No driver is imported, so it looks for errors whose package is named
// after the database, lest the number be another's, and asks them for what those of
// the known drivers have: a method Code (modernc.org/sqlite), or a field Code
// (mattn/go-sqlite3) or Number (go-sql-driver/mysql).
func (d Dialect) hasNumber(err error, wanted func(int) bool) bool {
	return anyError(err, func(err error) bool {
		v := reflect.Indirect(reflect.ValueOf(err))
		if !v.IsValid() || !strings.Contains(v.Type().PkgPath(), string(d)) {
			return false
		}
		if e, ok := err.(interface{ Code() int }); ok {
			return wanted(e.Code())
		}
		n, ok := numberField(v)
		return ok && wanted(n)
	})
}

// anyError reports whether f holds for err or for an error that it wraps, all of
// which count: the application's may wrap the driver's, or stand beside it.
func anyError(err error, f func(error) bool) bool {
	if err == nil {
		return false
	}
	if f(err) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return anyError(e.Unwrap(), f)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return anyError(err, f) })
	}
	return false
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
