package inspect

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// A Store is what a [Page] shows: a sqlstore.Store, or a pgxstore.Store. Its methods are
// those of [inbox.Queue] and of the stores.
type Store interface {
	Entry(ctx context.Context, key idempotency.Key) (inbox.Status, error)
	Entries(ctx context.Context, endpoint string, state inbox.State, after *inbox.Status, limit int) ([]inbox.Status, error)
	Count(ctx context.Context, endpoint string, state inbox.State, limit int) (int, error)
	Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error)
	Redeliver(ctx context.Context, key idempotency.Key) error

	Lookup(ctx context.Context, key idempotency.Key) (lease.Status, error)
	Failures(ctx context.Context, after idempotency.Key, limit int) ([]lease.Status, idempotency.Key, error)
	Retry(ctx context.Context, key idempotency.Key) error
	Forget(ctx context.Context, key idempotency.Key) error
}

// Options configures a [Page].
type Options struct {
	// Authorize says who has sent a request, and what they may do; false refuses it.
	// Required: without it there is no page.
	Authorize func(r *http.Request) (Viewer, bool)

	// Endpoints are the names of the endpoints that the page shows, in this order.
	// Required.
	Endpoints []string

	// Title is shown on each page, such as "production". Default: none.
	Title string

	// Redact changes a delivery before its payload is shown or downloaded. Default:
	// it is shown as it was stored.
	Redact func(d *hmacverify.Stored)

	// Audit sees each action that was asked for, after it was done or has failed.
	// Default: it is logged by slog, with the level Info.
	Audit func(ctx context.Context, a Action)
}

// A Viewer is a person who looks at the page. The zero Viewer may look at states and
// errors, and change nothing.
type Viewer struct {
	Name string // for Options.Audit

	Payloads  bool // may see and download payloads
	Redeliver bool // may have dead events processed again
	Forget    bool // may delete the records of events

	// Endpoints are those whose events the viewer may see. Nil: all of
	// Options.Endpoints.
	Endpoints []string
}

// An Action is what a viewer has done.
type Action struct {
	Viewer string          // Viewer.Name
	Do     string          // "redeliver", "redeliver all", "retry", "forget", "show payload" or "download payload"
	Key    idempotency.Key // of the event; for "redeliver all" only its Scope, the endpoint
	Count  int             // of events, for "redeliver all"
	Err    error           // nil if it was done
}

// A Page is a handler that shows what happens to events. Create one with [New]. It is safe
// for concurrent use.
type Page struct {
	store    Store
	o        Options
	activity activity
	handler  http.Handler
}

// New returns a Page over store.
func New(store Store, o *Options) (*Page, error) {
	switch {
	case isNil(store):
		return nil, errors.New("inspect: no store: pass a sqlstore.Store")
	case o == nil || o.Authorize == nil:
		return nil, errors.New("inspect: Options.Authorize is required: it decides who may see the page")
	case len(o.Endpoints) == 0:
		return nil, errors.New("inspect: Options.Endpoints is required: the names of the endpoints to show")
	}
	p := &Page{store: store, o: *o}
	p.o.Endpoints = slices.Clone(o.Endpoints)
	if p.o.Audit == nil {
		p.o.Audit = logAction
	}
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fail(w, nil, http.StatusForbidden, "This request was sent from another site, so nothing was done.")
	}))
	p.handler = guard.Handler(http.HandlerFunc(p.serve))
	return p, nil
}

// isNil also finds the nil pointer of a constructor whose error was not looked at.
func isNil(store Store) bool {
	r := reflect.ValueOf(store)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}

func logAction(ctx context.Context, a Action) {
	slog.InfoContext(ctx, "webhook inspector", "viewer", a.Viewer, "do", a.Do, "scope", a.Key.Scope, "id", a.Key.ID, "count", a.Count, "error", a.Err)
}

// Observe is an [idempotency.Observer]. Give it to the store's options, or call it from
// yours, for the chart and for what was refused or has failed lately: those are what this
// process has seen since it started. It does not log; see [idempotency.LogFailures].
func (p *Page) Observe(_ context.Context, e idempotency.Event) {
	p.activity.add(e, time.Now())
}

// queryTimeout bounds the queries of one page.
const queryTimeout = 2 * time.Second

// ServeHTTP implements [http.Handler]. It looks at the last element of the path only, and
// its links are relative, so that it may be mounted under any prefix that ends in a slash.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+styleHash+"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "private, no-store")
	p.handler.ServeHTTP(w, r)
}

// A request is one that is authorized.
type request struct {
	*http.Request
	w      http.ResponseWriter
	page   *Page
	viewer Viewer
}

func (p *Page) serve(w http.ResponseWriter, r *http.Request) {
	viewer, ok := p.o.Authorize(r)
	if !ok {
		p.fail(w, nil, http.StatusForbidden, "You may not see this page.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	q := &request{Request: r.WithContext(ctx), w: w, page: p, viewer: viewer}
	views := map[string]func(*request) error{
		"":         (*request).overview,
		"entries":  (*request).entries,
		"failures": (*request).failures,
		"event":    (*request).event,
		"payload":  (*request).payload,
		"confirm":  (*request).confirm,
	}
	method, name := r.Method, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	handle := views[name]
	if name == "do" {
		handle = (*request).do
	}
	switch {
	case handle == nil:
		p.fail(w, &viewer, http.StatusNotFound, "There is no such page.")
		return
	case name == "do" && method != http.MethodPost:
		h := w.Header()
		h.Set("Allow", "POST")
		p.fail(w, &viewer, http.StatusMethodNotAllowed, "Actions are requests with POST.")
		return
	case name != "do" && method != http.MethodGet && method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		p.fail(w, &viewer, http.StatusMethodNotAllowed, "This page is read with GET.")
		return
	}
	if err := handle(q); err != nil {
		q.answer(err)
	}
}

// A refusal is an error whose text is shown to the viewer.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// answer responds with err, of which only what concerns the viewer is shown.
func (q *request) answer(err error) {
	var told *refusal
	status, text := http.StatusServiceUnavailable, "The database did not answer. The log says why."
	switch {
	case errors.As(err, &told):
		status, text = told.status, told.text
	case errors.Is(err, idempotency.ErrNotFound):
		status, text = http.StatusNotFound, "Nothing is known of this event: it was never seen, or it was deleted after its retention."
	case errors.Is(err, idempotency.ErrNotDead):
		status, text = http.StatusConflict, "The event is not dead any more: it is waiting, in flight, or done."
	case errors.Is(err, idempotency.ErrNoPayload):
		status, text = http.StatusConflict, "Its payload was not kept, so it can be processed again only when the sender delivers it again."
	case errors.Is(err, idempotency.ErrInFlight):
		status, text = http.StatusConflict, "The event is being processed."
	case errors.Is(err, context.DeadlineExceeded):
		text = "The database did not answer in time."
		fallthrough
	default:
		slog.ErrorContext(q.Context(), "webhook inspector", "error", err)
	}
	q.page.fail(q.w, &q.viewer, status, text)
}

// fail responds with a text; viewer is nil for who is not authorized, and sees nothing else.
func (p *Page) fail(w http.ResponseWriter, viewer *Viewer, status int, text string) {
	v := view{Page: p, Stranger: viewer == nil, Heading: http.StatusText(status), Data: text}
	if viewer != nil {
		v.Viewer = *viewer
	}
	p.write(w, status, "message", v)
}

// parameter returns a parameter of the URL. Links and forms have all of theirs there, so
// that the body of a request is not read.
func (q *request) parameter(name string) string { return q.URL.Query().Get(name) }

// sees reports whether the viewer may see the events of an endpoint.
func (q *request) sees(endpoint string) bool {
	return slices.Contains(q.page.o.Endpoints, endpoint) &&
		(q.viewer.Endpoints == nil || slices.Contains(q.viewer.Endpoints, endpoint))
}

// endpoints are those that the viewer may see.
func (q *request) endpoints() (names []string) {
	for _, name := range q.page.o.Endpoints {
		if q.sees(name) {
			names = append(names, name)
		}
	}
	return names
}

// key returns the event that the request names.
func (q *request) key() (idempotency.Key, error) {
	key := idempotency.Key{Scope: q.parameter("scope"), ID: q.parameter("id")}
	if tenant := q.parameter("tenant"); tenant != "" { // of the form
		key.Scope += "/" + tenant
	}
	if err := key.Validate(); err != nil {
		return key, &refusal{http.StatusBadRequest, "An event has an endpoint, and an ID of at most 255 bytes."}
	}
	if !q.sees(key.Endpoint()) {
		return key, &refusal{http.StatusNotFound, "There is no such endpoint."}
	}
	return key, nil
}

// endpoint returns the endpoint that the request names.
func (q *request) endpoint() (string, error) {
	name := q.parameter("endpoint")
	if !q.sees(name) {
		return "", &refusal{http.StatusNotFound, "There is no such endpoint."}
	}
	return name, nil
}

// write executes a template into a buffer first, so that an error is no half page.
func (p *Page) write(w http.ResponseWriter, status int, name string, v view) {
	var b strings.Builder
	v.Name = name
	if err := templates.ExecuteTemplate(&b, "layout", v); err != nil {
		slog.Error("webhook inspector", "error", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}

func (q *request) show(name, heading string, data any) error {
	q.page.write(q.w, http.StatusOK, name, view{Page: q.page, Viewer: q.viewer, Heading: heading, Data: data})
	return nil
}

// A view is what a template shows.
type view struct {
	Page     *Page
	Viewer   Viewer
	Stranger bool // is not authorized
	Name     string
	Heading  string
	Data     any
}

// Title is Options.Title.
func (v view) Title() string {
	if v.Stranger {
		return ""
	}
	return v.Page.o.Title
}

// Content executes the template of the page.
func (v view) Content() (template.HTML, error) {
	var b strings.Builder
	err := templates.ExecuteTemplate(&b, v.Name, v)
	return template.HTML(b.String()), err // what html/template has escaped
}

// Style is the style sheet.
func (v view) Style() template.CSS { return template.CSS(style) }

// Endpoints are those that the viewer may see.
func (v view) Endpoints() []string {
	if v.Stranger {
		return nil
	}
	q := request{page: v.Page, viewer: v.Viewer}
	return q.endpoints()
}
