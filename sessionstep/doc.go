// Package sessionstep receives a verification service's callback and submits it to
// a step of a session.
//
// A [Handler] decodes the callback, passes it to a [Submitter], which is your
// session service, and writes the response that the sender understands:
//
//	sessions, err := sqlstep.New(db, sqlstore.PostgreSQL, nil) // or pgxstep.New, or a Submitter of your own
//	…
//	callback, err := sessionstep.NewHandler(sessions, nil)
//	…
//	mux.Handle("POST /webhooks/ai-verification", endpoint.WrapFunc(
//		func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
//			return callback.Serve(w, r)
//		}))
//
// The handler trusts its input: hmacverify authenticates the request before it
// gets here, and package idempotency, whose endpoint wraps the handler above,
// discards duplicates. A Submitter that keeps the contract of Submission.Key is
// safe without the latter, too.
//
// Where the response's body does not matter, submit the delivery's body:
//
//	endpoint.Handle(func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
//		_, err := callback.Submit(ctx, d.Body)
//		return err
//	})
//
// # The callback
//
//	{"eventId": "evt_1", "sessionId": "sess_1", "status": "verified", "details": {…}}
//
// The status is verified, rejected or needs_review; details may be any JSON and
// may be absent. Unknown fields are ignored, since senders add some over time.
// Everything else is strict, see [DecodeCallback]. Set Options.Decode for payloads
// of another shape: package idv has those of Checkr, Didit, iDenfy, Onfido, Persona,
// Stripe Identity, Sumsub and Veriff.
//
// # The responses
//
// An accepted submission is answered 200 with
//
//	{"status":"success","eventId":"evt_1"}
//
// and everything else with a problem document (RFC 9457) whose code is stable and
// whose text is constant:
//
//	400  malformed_callback      [ErrMalformed]
//	400  missing_field           [ErrMissingField]
//	404  session_not_found       [ErrSessionNotFound]
//	404  session_not_open        [ErrSessionNotOpen]
//	404  step_not_found          [ErrStepNotFound]
//	404  step_not_in_progress    [ErrStepNotInProgress]
//	413  body_too_large          [net/http.MaxBytesError]
//	422  unknown_status          [ErrUnknownStatus]
//	422  payload_not_acceptable  [ErrNotAcceptable]
//	500  internal                every other error
//
// An event that reports no result, [ErrNoResult], is answered 200 with
// {"status":"ignored"}; so is a refusal that Options.Acknowledge lists.
//
// [Status] and [WriteError] give the same answers to those who decode and submit
// without a Handler.
package sessionstep
