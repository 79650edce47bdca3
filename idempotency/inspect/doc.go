// Package inspect is a page for people who run webhooks: what arrived, what waits, what
// failed and why; one event with its attempts and its payload; and the actions to redeliver
// it, to retry it, or to forget it. It needs nothing but the standard library, and no
// script in the browser.
//
//	page, err := inspect.New(events, &inspect.Options{
//		Endpoints: []string{"stripe", "github"},
//		Authorize: func(r *http.Request) (inspect.Viewer, bool) { … },
//	})
//	…
//	mux.Handle("/ops/webhooks/", page)
//
// events is a sqlstore.Store or a pgxstore.Store. The page works under any prefix that
// ends in a slash, with http.StripPrefix or without.
//
// # Who may do what
//
// There is no page without Options.Authorize, which knows your users, and no right that it
// does not give: a [Viewer] sees states, times and error texts; payloads, redelivery and
// deletion are allowed one by one, and checked when they are done. Each action asks first,
// is a POST that another site cannot send ([http.CrossOriginProtection]), and is reported to
// Options.Audit with the viewer's name.
//
// Error texts are those that your work has returned: keep personal data out of them.
//
// # What it shows
//
// What waits, is in flight or is dead comes from the database, and so does the state of one
// event; each of these queries is bounded by an index, and a page gives up after two
// seconds. Counts stop at 10,000. "Failed events", of endpoints without an inbox, reads
// records in the order of their keys until it has found a page of them: with millions of
// records and few failures it gives up. The chart and the list of what went wrong lately are what this process
// has seen since it started, through [Page.Observe]; a store has no index by time, because
// every event would pay for it.
package inspect
