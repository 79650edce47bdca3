package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

const createTable = `CREATE TABLE IF NOT EXISTS mails (job BIGINT PRIMARY KEY, recipient TEXT NOT NULL, attempt INT NOT NULL)`

// newJobs creates the tables and returns a client that works on jobs. A process that
// only receives webhooks needs neither queues nor workers.
func newJobs(ctx context.Context, db *sql.DB) (*river.Client[*sql.Tx], error) {
	driver := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, createTable); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &welcomer{db: db})
	return river.NewClient(driver, &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		FetchPollInterval: 200 * time.Millisecond, // this driver does not listen
		Workers:           workers,
		RetryPolicy:       soon{},
	})
}

// welcome is the job: to welcome a new user by mail.
type welcome struct {
	To string `json:"to"`
}

// Kind is the job's name in the database.
func (welcome) Kind() string { return "welcome" }

// A welcomer is the worker that does it.
type welcomer struct {
	river.WorkerDefaults[welcome]
	db *sql.DB
}

// Work writes that the mail was sent and completes the job in one commit, so that this
// happens exactly once, too. The first attempt for a recipient who is "busy" fails, for
// you to see that River retries.
func (w *welcomer) Work(ctx context.Context, job *river.Job[welcome]) error {
	if strings.HasPrefix(job.Args.To, "busy") && job.Attempt == 1 {
		return errors.New("the mail server is busy")
	}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `INSERT INTO mails VALUES ($1, $2, $3)`, job.ID, job.Args.To, job.Attempt)
	if err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, job); err != nil {
		return err
	}
	return tx.Commit()
}

// soon retries sooner than River does by default, for those who watch.
type soon struct{}

// NextRetry implements [river.ClientRetryPolicy].
func (soon) NextRetry(*rivertype.JobRow) time.Time { return time.Now().Add(time.Second) }
