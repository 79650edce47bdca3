package records

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A Stored record is one that was read.
type Stored struct {
	Record lease.Record

	// Early reports that the server may have shown it before it is durable.
	Early bool
}

// Find returns the record of key; without one the error is [sql.ErrNoRows].
func (t *Table) Find(ctx context.Context, c Conn, key idempotency.Key) (Stored, error) {
	var (
		rec       Stored
		owner, fp []byte
		leaseLeft int64
		age       int64
		result    storedResult
		lastError sql.NullString
	)
	read := func() error {
		row := c.QueryRow(ctx, t.SQL().Find, []byte(key.Scope), []byte(key.ID))
		return row.Scan(&rec.Record.State, &owner, &rec.Record.Token, &rec.Record.Attempts, &leaseLeft, &age, &fp, &result.status, &result.mediaType, &result.body, &lastError, &rec.Early)
	}
	var err error
	if c.Alone() { // on Galera even what only reads can meet a conflict
		err = t.RetryConflicts(ctx, read)
	} else {
		err = read()
	}
	if err != nil {
		return rec, err
	}
	copy(rec.Record.Owner[:], owner)
	copy(rec.Record.Fingerprint[:], fp)
	rec.Record.LeaseLeft = time.Duration(leaseLeft) * time.Microsecond
	rec.Record.Age = time.Duration(age) * time.Microsecond
	rec.Record.LastError = lastError.String
	if rec.Record.State == lease.Done {
		rec.Record.Result = result.get()
	}
	return rec, nil
}

// FindDone returns what a duplicate needs of the record of key, if that is Done; else
// the error is [sql.ErrNoRows].
func (t *Table) FindDone(ctx context.Context, c Conn, key idempotency.Key) (Stored, error) {
	var read struct { // in one allocation, as each duplicate comes here
		fp     []byte
		result storedResult
		early  bool
	}
	row := c.QueryRow(ctx, t.SQL().FindDone, []byte(key.Scope), []byte(key.ID))
	if err := row.Scan(&read.fp, &read.result.status, &read.result.mediaType, &read.result.body, &read.early); err != nil {
		return Stored{}, err
	}
	rec := Stored{Record: lease.Record{State: lease.Done, Result: read.result.get()}, Early: read.early}
	copy(rec.Record.Fingerprint[:], read.fp)
	return rec, nil
}

// storedResult is a result as the columns hold it.
type storedResult struct {
	status    sql.NullInt64
	mediaType sql.NullString
	body      []byte
}

// get returns nil if the columns hold none.
func (r *storedResult) get() *idempotency.Result {
	if !r.status.Valid {
		return nil
	}
	return &idempotency.Result{Status: int(r.status.Int64), ContentType: r.mediaType.String, Body: r.body}
}

// ResultArgs returns a result, which may be nil, as parameters.
func ResultArgs(r *idempotency.Result) []any {
	if r == nil {
		return []any{nil, nil, nil}
	}
	// A media type that is no text would be refused by PostgreSQL, and a long one
	// by MySQL; then a finished event could not be completed.
	mediaType := strings.ReplaceAll(strings.ToValidUTF8(r.ContentType, ""), "\x00", "")
	if len(mediaType) > MaxName {
		mediaType = ""
	}
	return []any{r.Status, mediaType, r.Body}
}

// MaxName is how many bytes of a media type, or of a payload's source, the tables
// hold.
const MaxName = 255
