package sessionstep

import "context"

// A Submitter submits payloads to the steps of sessions. It must be safe for
// concurrent use. Package sqlstep has one that keeps its sessions in SQL tables, and
// package pgxstep the same for services on pgxpool.
type Submitter interface {
	// Submit submits s to the step of the session that it names.
	//
	// It is atomic: it does all that the submission entails, or it returns an
	// error and has done nothing that outlives the transaction's rollback. If ctx
	// carries a transaction (such as the one of sqlstore.Tx), it must work in it
	// and neither commit it nor roll it back.
	//
	// s.Key makes it repeatable: once the step has accepted a submission, another
	// one with its key must change nothing and return nil, whatever has happened
	// to the step and the session since.
	//
	// An error that wraps one of the sentinels of this package says that s cannot
	// be accepted, and decides the response. What [Submission.Validate] refuses must
	// be refused with its error; a [Handler] submits none of it. Refuse before you write
	// anything: the caller may commit its transaction after a refusal, as with
	// Options.Acknowledge. Any other error says that the attempt failed and that the
	// sender should retry.
	//
	// Package steptest checks all of this.
	Submit(ctx context.Context, s Submission) error
}
