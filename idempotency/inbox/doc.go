// Package inbox accepts deliveries now and processes them later, for work that takes
// longer than the sender waits, and for senders that do not retry.
//
//	box, err := inbox.New(events, nil) // events is a sqlstore.Store
//	…
//	mux.Handle("POST /webhooks/slack", inbox.Handle(box, slack, receive, nil))
//	…
//	err = box.Run(ctx, 8) // in a goroutine of yours, until ctx ends
//
// slack and receive are what slack.Handle(receive) takes: to process at once or later is
// that one line. A delivery is verified and stored, and the sender gets its 202 when that
// is durable. [Inbox.Run] then calls receive, in any of the processes that share the
// database, and commits its work together with the record of the event, once.
//
// # What it guarantees
//
// An accepted event is processed until it is done or dead, whatever process dies when.
// It has its effect exactly once if the endpoint's runner is a store on the database of
// the effect, such as sqlstore.Store: an entry that is processed again, after a crash or
// by two processes at once, meets the record of the first time. That does not depend on
// leases or clocks; they only say when another process tries. What the work does
// elsewhere (a mail, a call of another system) is done at least once: pass
// [idempotency.Key.Downstream] on.
//
// A sender that delivers an event again gets a 202 too, whatever has become of it, unless
// Options.ErrorHandler of the endpoint answers [idempotency.ErrDuplicate] or
// [idempotency.ErrDead] in another way.
//
// # Slow work
//
// Work that takes long must not hold a transaction. Give the endpoint a lease.Runner on
// the same store: receive gets a lease.Claim instead of a transaction, does the slow part,
// then begins one for the effect and completes the claim in it, with the store's
// CompleteTx. Options.Timeout of the endpoint bounds the work; its default is 30 s.
//
// # Failures
//
// An attempt that fails is repeated after a pause, see [Options.Backoff]; [idempotency.RetryIn]
// asks for another pause. After Options.MaxAttempts, after Options.MaxAge, or by
// [idempotency.Permanent], the event is dead. The observer sees each failure, and each
// death as [idempotency.KindDead]. What is dead stays, with its payload, until
// [Inbox.Redeliver] or [Inbox.RedeliverAll] has it processed from what was kept, or the
// store's Forget deletes it.
//
// When 20 attempts of an endpoint have failed in a row, a process tries one of its events a
// second until one succeeds: what the work needs is away, and the other events should not
// use up their attempts on that.
//
// A process that dies leaves its events until their leases expire. Those are then tried
// one at a time: if it was one of them that killed the process, it does not take the
// others with it.
//
// # Order
//
// Events are processed as they come, several at once. Those of a group, see
// [HandleOptions], are processed one at a time in the order of their acceptance. That is
// the order of their commits, not the sender's: most senders do not deliver in order. A
// group waits while its first event is retried, at most until that is dead.
//
// Often it is enough that an older version does not overwrite a newer one, which the
// UPDATE itself can see to. Compare the sender's own version, or time, and let an equal
// one pass only if the events of that time may come in any order:
//
//	UPDATE customers SET email = $1, changed_at = $2 WHERE id = $3 AND changed_at < $2
//
// No row changed means that the event is stale: return [idempotency.ErrIgnored].
//
// # What is stored
//
// The body and the headers, without the signature and without Authorization,
// Proxy-Authorization and Cookie, until the event is done; after that too if the store
// keeps payloads. Redact and Seal in the store's options change or encrypt them before
// they are written.
//
// # Processes and versions
//
// A process takes events of those endpoints only that it was given by [Handle], so that a
// new endpoint's events wait for a process that knows it. Processes that accept and
// processes that work can be different ones: call Handle in both, Run in one.
//
// # Cost
//
// Deliveries that arrive while others are being stored share the next commit. A process
// that is idle looks at the queue every Options.Poll; that reads a few pages of an index,
// whatever the number of finished events. BenchmarkAccept in store/sqltest measures both.
//
// It is no job queue: it has no schedules and no priorities. Hand such work to one, in the
// transaction of receive.
package inbox
