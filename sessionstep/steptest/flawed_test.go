package steptest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/steptest"
)

// A flawed service keeps the contract, except for one flaw. It is written for flaws to
// be put in, and is otherwise as simple as can be: one map, one lock, which a
// transaction holds until its end.
type flawed struct {
	flaw     flaw
	lock     chan struct{} // of one element, so that waiting for it is seen by a bubble
	sessions map[string]*session
	everKeys map[string]bool // for keys in memory
}

type session struct {
	open  bool
	steps []*step
}

type step struct {
	name, state string
	accepted    []sessionstep.Submission
	keys        []string
}

func newFlawed(f flaw) *flawed {
	return &flawed{flaw: f, lock: make(chan struct{}, 1), sessions: map[string]*session{}, everKeys: map[string]bool{}}
}

func (f *flawed) service() steptest.Service {
	return steptest.Service{Submitter: f, Create: f.create, Close: f.close, Read: f.read, InTx: f.inTx}
}

func (f *flawed) has(flaws ...flaw) bool { return slices.Contains(flaws, f.flaw) }

func (f *flawed) create(_ context.Context, v steptest.Session) error {
	f.lock <- struct{}{}
	defer func() { <-f.lock }()
	s := &session{open: true}
	for _, name := range v.InProgress {
		s.steps = append(s.steps, &step{name: f.stepName(name), state: "in_progress"})
	}
	for _, name := range v.NotBegun {
		s.steps = append(s.steps, &step{name: f.stepName(name), state: "pending"})
	}
	f.sessions[f.sessionID(v.ID)] = s
	return nil
}

func (f *flawed) close(_ context.Context, id string) error {
	f.lock <- struct{}{}
	defer func() { <-f.lock }()
	f.sessions[f.sessionID(id)].open = false
	return nil
}

func (f *flawed) read(_ context.Context, id string) (steptest.State, error) {
	f.lock <- struct{}{}
	defer func() { <-f.lock }()
	s, found := f.sessions[f.sessionID(id)]
	if !found {
		return steptest.State{}, errors.New("no such session")
	}
	state := steptest.State{States: fmt.Sprint(s.open)}
	for _, t := range s.steps {
		state.States += " " + t.state
		for _, a := range t.accepted {
			state.Submissions = append(state.Submissions, sessionstep.Submission{Step: t.name, Key: a.Key, Status: a.Status, Details: a.Details})
		}
	}
	return state, nil
}

// A transaction is in the context of its work.
type transaction struct{ before map[string]*session }

type txKey struct{}

func (f *flawed) inTx(ctx context.Context, work func(context.Context) error) error {
	f.lock <- struct{}{}
	tx := &transaction{f.copy()}
	if f.has(txIgnored, txRaces) {
		<-f.lock
	}
	err := work(context.WithValue(ctx, txKey{}, tx))
	if f.has(txIgnored, txRaces) {
		return err
	}
	if err != nil || f.has(txDropped) {
		f.sessions = tx.before
	}
	<-f.lock
	return err
}

func (f *flawed) copy() map[string]*session {
	sessions := make(map[string]*session)
	for id, s := range f.sessions {
		c := &session{open: s.open}
		for _, t := range s.steps {
			c.steps = append(c.steps, &step{t.name, t.state, slices.Clone(t.accepted), slices.Clone(t.keys)})
		}
		sessions[id] = c
	}
	return sessions
}

// Submit locks unless it is in a transaction, and undoes what it did if it fails.
func (f *flawed) Submit(ctx context.Context, s sessionstep.Submission) error {
	tx, joined := ctx.Value(txKey{}).(*transaction)
	if f.has(txIgnored, txRaces) {
		joined = false
	}
	if err := ctx.Err(); err != nil {
		switch f.flaw {
		case cancelledRefused:
			return fmt.Errorf("%w: %w", sessionstep.ErrSessionNotFound, err)
		case cancelledDone:
		default:
			return err
		}
	}
	if joined {
		err := f.submit(ctx, s, tx)
		if f.has(txCommitted) {
			tx.before = f.copy()
		}
		if f.has(txRefusalEnds) && err != nil {
			f.sessions = tx.before
		}
		return err
	}
	if f.has(raceIsError) && len(f.lock) > 0 {
		return fmt.Errorf("%w: busy", sessionstep.ErrNotAcceptable)
	}
	f.lock <- struct{}{}
	defer func() { <-f.lock }()
	if f.has(raceIsError) {
		time.Sleep(time.Millisecond)
	}
	before := f.copy()
	err := f.submit(ctx, s, nil)
	if err != nil && !f.has(keyBeforeChecks, refusalMarks, cutHalfway) && len(f.lock) == 1 {
		f.sessions = before
	}
	if err == nil && f.has(cancelledDone) {
		return ctx.Err()
	}
	return err
}

// gap lets others in if the service has one of the flaws.
func (f *flawed) gap(flaws ...flaw) {
	if f.has(flaws...) {
		<-f.lock
		time.Sleep(time.Millisecond)
		f.lock <- struct{}{}
	}
}

func (f *flawed) submit(ctx context.Context, s sessionstep.Submission, tx *transaction) error {
	if err := s.Validate(); err != nil && !f.has(notValidated) {
		return err
	}
	v, t, err := f.find(s)
	if err != nil {
		return err
	}
	known := f.known(v, t, s, tx)
	f.gap(checksThenActs, txRaces)
	switch {
	case f.has(keyAfterSession) && !v.open:
		return sessionstep.ErrSessionNotOpen
	case f.has(keyAfterStep) && t.state != "in_progress":
		return sessionstep.ErrStepNotInProgress
	case known && f.has(keyMoves):
		f.move(v, t, s.Status)
		return nil
	case known && f.has(keyConflicts):
		return errors.New("duplicate key")
	case known:
		return nil
	}
	if f.has(keyBeforeChecks) || f.has(txWritesFirst) && tx != nil {
		t.keys = append(t.keys, f.key(s.Key))
	}
	if err := f.refuse(v, t); err != nil {
		if f.has(refusalMarks) {
			t.state += "!"
		}
		if f.has(refusalAccepted) {
			return nil
		}
		return err
	}
	f.gap(stateStale)
	return f.accept(ctx, v, t, s)
}

// find returns the session and the step of s.
func (f *flawed) find(s sessionstep.Submission) (*session, *step, error) {
	v := f.sessions[f.sessionID(s.Session)]
	if v == nil {
		switch f.flaw {
		case sessionMade:
			v = &session{open: true, steps: []*step{{name: s.Step, state: "in_progress"}}}
			f.sessions[s.Session] = v
		case sessionPlainError:
			return nil, nil, errors.New("no rows in result set")
		default:
			return nil, nil, sessionstep.ErrSessionNotFound
		}
	}
	for _, t := range v.steps {
		if t.name == f.stepName(s.Step) {
			return v, t, nil
		}
	}
	switch f.flaw {
	case stepMade:
		t := &step{name: s.Step, state: "in_progress"}
		v.steps = append(v.steps, t)
		return v, t, nil
	case stepIsSession:
		return nil, nil, sessionstep.ErrSessionNotFound
	}
	return nil, nil, sessionstep.ErrStepNotFound
}

// known reports whether the key of s was accepted before.
func (f *flawed) known(v *session, t *step, s sessionstep.Submission, tx *transaction) bool {
	key := f.key(s.Key)
	switch f.flaw {
	case keyIgnored:
		return false
	case keyOfContent:
		key += string(s.Status)
	case keyLatestOnly:
		return len(t.keys) > 0 && t.keys[len(t.keys)-1] == key
	case keyGoneAtEnd:
		if t.state != "in_progress" && v.open {
			return false
		}
	case keyOfSession:
		return slices.ContainsFunc(v.steps, func(t *step) bool { return slices.Contains(t.keys, key) })
	case keyOfAll:
		for _, v := range f.sessions {
			if slices.ContainsFunc(v.steps, func(t *step) bool { return slices.Contains(t.keys, key) }) {
				return true
			}
		}
		return false
	case txKeyInMemory:
		return f.everKeys[s.Session+"\x00"+s.Step+"\x00"+key]
	case txKeyUnseen:
		if tx != nil {
			return slices.ContainsFunc(tx.before[s.Session].steps, func(t *step) bool { return slices.Contains(t.keys, key) })
		}
	}
	return slices.Contains(t.keys, key)
}

func (f *flawed) refuse(v *session, t *step) error {
	switch {
	case !v.open && !f.has(sessionAnyState):
		return sessionstep.ErrSessionNotOpen
	case t.state != "in_progress" && !f.has(stepAnyState):
		return sessionstep.ErrStepNotInProgress
	}
	return nil
}

// accept records s and moves its step.
func (f *flawed) accept(ctx context.Context, v *session, t *step, s sessionstep.Submission) error {
	key := f.key(s.Key)
	if f.has(keyOfContent) {
		key += string(s.Status)
	}
	t.keys = append(t.keys, key)
	f.everKeys[s.Session+"\x00"+s.Step+"\x00"+key] = true
	accepted := slices.Clone(t.accepted)
	if f.has(cutHalfway) {
		f.gap(cutHalfway)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	f.gap(updatesLost)
	s.Details = f.details(s.Details)
	if f.has(statusLost) {
		s.Status = "done"
	}
	if !f.has(dropped) {
		accepted = append(accepted, s)
	}
	if f.has(appliedTwice) {
		accepted = append(accepted, s)
	}
	t.accepted = accepted
	f.move(v, t, s.Status)
	return nil
}

// move moves the step, and ends the session if all its steps are completed.
func (f *flawed) move(v *session, t *step, status sessionstep.Outcome) {
	if f.has(statesStand) {
		return
	}
	others := f.allCompleted(v, t)
	f.gap(approvalLost)
	if !f.has(approvalLost) {
		others = f.allCompleted(v, t)
	}
	switch {
	case status == sessionstep.Verified, f.has(failedIsDone) && status == sessionstep.Rejected:
		t.state = "completed"
		v.open = v.open && !others
	case status == sessionstep.Rejected:
		t.state = "failed"
	case status == sessionstep.NeedsReview && f.has(reviewEnds):
		t.state = "in_review"
	case f.has(keyMoves):
		t.state += "?"
	}
}

func (f *flawed) allCompleted(v *session, but *step) bool {
	return !slices.ContainsFunc(v.steps, func(t *step) bool { return t != but && t.state != "completed" })
}

func (f *flawed) details(d json.RawMessage) json.RawMessage {
	switch {
	case f.has(detailsNone):
		return nil
	case f.has(detailsNull) && d == nil:
		return json.RawMessage("null")
	case f.has(detailsCompact) && d != nil:
		var b bytes.Buffer
		json.Compact(&b, d)
		return b.Bytes()
	}
	return bytes.Clone(d)
}

func (f *flawed) key(key string) string {
	switch f.flaw {
	case foldsCase:
		return strings.ToLower(key)
	case trimsSpace:
		return strings.TrimRight(key, " ")
	case truncates:
		return key[:min(len(key), 191)]
	case normalizes:
		return strings.NewReplacer("é", "e", "e\u0301", "e").Replace(key)
	case basicPlaneOnly:
		if i := strings.IndexFunc(key, func(r rune) bool { return r > 0xFFFF }); i >= 0 {
			return key[:i]
		}
	case numeric:
		if n, err := strconv.ParseFloat(key, 64); err == nil {
			return fmt.Sprint(n)
		}
	case unescapes:
		return strings.NewReplacer("''", "'", `\'`, "'").Replace(key)
	}
	return key
}

func (f *flawed) sessionID(id string) string {
	if f.has(foldsSessions) {
		return strings.TrimRight(strings.ToLower(id), " ")
	}
	return id
}

func (f *flawed) stepName(name string) string {
	if f.has(foldsSteps) {
		return strings.TrimRight(strings.ToLower(name), " ")
	}
	return name
}
