// Package idv reads the results of identity-verification services, so that a
// [sessionstep.Handler] takes their webhooks: of Checkr, Didit, iDenfy, Onfido, Persona,
// Stripe Identity, Sumsub and Veriff, and of others by data. IDV is the field's short
// name for identity verification.
//
// A service takes five lines, and a check of each error:
//
//	verifier, err := hmacverify.New(preset.Persona(), nil, secret)
//	endpoint, err := idempotency.NewEndpoint("persona", verifier, events, nil)
//	decoder, err := idv.New(idv.Persona())
//	callback, err := sessionstep.NewHandler(sessions, &sessionstep.Options{Decode: decoder.Decode})
//	mux.Handle("POST /webhooks/persona", endpoint.Handle(func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
//		_, err := callback.Submit(ctx, d.Body)
//		return err
//	}))
//
// With inbox.Handle in the last line the result is accepted at once and submitted
// afterwards. See examples/identity.
//
// # Results
//
// Verified and Rejected are what the service has decided for good. Everything else that
// ends an attempt is NeedsReview: it asks for a person, it failed but may be tried
// again, it expired, or it is a word that the service has added since. Such a step
// stays in progress, the word is in the details, and a later decision counts. What
// decides nothing, such as "the person has begun", is news: it is answered 200, and
// package idempotency records the event as ignored.
//
// Each vendor's table can be changed:
//
//	persona := idv.Persona()
//	persona.Outcomes["inquiry.expired"] = sessionstep.Rejected
//	decoder, err := idv.New(persona)
//
// # Sessions
//
// Give the service the ID of your session when you begin the verification; where each
// returns it is said at its function. If the service knows something else, such as the
// ID of a person who may have several sessions, look the session up:
//
//	decode := func(ctx context.Context, body []byte) (sessionstep.Submission, error) {
//		s, err := decoder.Decode(ctx, body)
//		if err == nil {
//			s.Session, err = sessionOf(ctx, s.Session) // ErrSessionNotFound if there is none
//		}
//		return s, err
//	}
//
// # Order and repetition
//
// Services deliver out of order, and several results for one session. The key is the
// event's ID where there is one, or what tells this result from the others. It agrees
// with the identity that the vendor's preset has, so that what is sent again, even in
// another body, is submitted once. A step that is completed or has failed refuses what
// comes late, so a stale result undoes nothing. It also refuses a decision that the service
// has changed since.
//
// By default a refusal is a 404. Most services take that for a fault of the endpoint, and
// retry for days or disable it: list in [sessionstep.Options].Acknowledge what shall be
// answered 200, such as ErrSessionNotOpen and ErrStepNotInProgress. Each of those is logged
// with its key, by which a person finds the event at the service.
//
// # Details
//
//	{"vendor":"veriff","result":"approved","time":"2026-11-06T07:18:36.916Z","payload":{…}}
//
// The time is that of the result, in UTC. Of the payload only what Vendor.Details lists is
// kept, where it stood: IDs of the service's, statuses, codes and the names of checks.
// Names, birth dates, numbers of documents, addresses, images and comments are not kept
// unless you ask for them.
package idv
