package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A session is created, and its step gets submissions until it is completed.
func Example_sessions() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection has its own memory

	sessions, err := sqlstep.New(db, sqlstore.SQLite, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := errors.Join(sessions.CreateTables(ctx), sessions.Check(ctx)); err != nil {
		fmt.Println(err)
		return
	}
	if err := sessions.Create(ctx, sqlstep.Session{ID: "sess_1", Steps: []sqlstep.Step{
		{Name: "identity", State: sqlstep.StepInProgress, Required: true},
	}}); err != nil {
		fmt.Println(err)
		return
	}
	for _, sub := range []sessionstep.Submission{
		{Session: "sess_1", Step: "identity", Key: "evt_1", Status: sessionstep.NeedsReview},
		{Session: "sess_1", Step: "identity", Key: "evt_2", Status: sessionstep.Verified},
		{Session: "sess_1", Step: "identity", Key: "evt_2", Status: sessionstep.Verified}, // again
		{Session: "sess_1", Step: "identity", Key: "evt_3", Status: sessionstep.Rejected},
	} {
		err := sessions.Submit(ctx, sub)
		v, _ := sessions.Session(ctx, "sess_1")
		fmt.Println(sub.Key, err, v.State, v.Steps[0].State, len(v.Steps[0].Submissions))
	}
	// Output:
	// evt_1 <nil> pending in_progress 1
	// evt_2 <nil> approved completed 2
	// evt_2 <nil> approved completed 2
	// evt_3 sessionstep: session not open approved completed 2
}

// Steps in two stages, one of which expires, is reopened and completed. The history tells
// by what.
func Example_history() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection has its own memory

	sessions, err := sqlstep.New(db, sqlstore.SQLite, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	yesterday := time.Now().AddDate(0, 0, -1)
	submit := func(step, key string) error {
		return sessions.Submit(ctx, sessionstep.Submission{Session: "sess_1", Step: step, Key: key, Status: sessionstep.Verified})
	}
	expire := func() error {
		_, err := sessions.Expire(ctx, 100) // as from a job that runs every minute
		return err
	}
	for _, do := range []func() error{
		func() error { return sessions.CreateTables(ctx) },
		func() error {
			return sessions.Create(ctx, sqlstep.Session{ID: "sess_1", Steps: []sqlstep.Step{
				{Name: "identity", State: sqlstep.StepInProgress, Required: true, Deadline: yesterday},
				{Name: "phone", State: sqlstep.StepInProgress},
				{Name: "address", Stage: 1, Required: true},
			}})
		},
		expire,
		func() error { return sessions.Reopen(ctx, "sess_1", "identity", "ann@support") },
		func() error { return submit("identity", "evt_1") },
		func() error { return submit("address", "evt_2") },
	} {
		if err := do(); err != nil {
			fmt.Println(err)
			return
		}
	}
	history, err := sessions.History(ctx, "sess_1")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range history {
		fmt.Printf("%d %-8s  %-11s → %-11s  %-11s  by %q\n", c.Seq, c.Step, c.From, c.To, c.Cause, c.By)
	}
	// Output:
	// 1 identity  in_progress → expired      expiry       by ""
	// 2 identity  expired     → in_progress  reopen       by "ann@support"
	// 3 identity  in_progress → completed    submission   by "evt_1"
	// 4 address   pending     → in_progress  turn         by "evt_1"
	// 5 address   in_progress → completed    submission   by "evt_2"
	// 6           pending     → approved     submission   by "evt_2"
}
