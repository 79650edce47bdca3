package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

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
