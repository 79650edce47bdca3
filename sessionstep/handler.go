package sessionstep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
)

// DefaultStep is the step that a [Handler] submits to unless Options.Step names
// another.
const DefaultStep = "identity_verification"

// DefaultMaxBody is the length in bytes of the longest body that a [Handler]
// reads unless Options.MaxBody sets another: 1 MiB.
const DefaultMaxBody = 1 << 20

// Options configures a [Handler]; the zero value and nil use the defaults.
type Options struct {
	// Step names the step to submit to, a [ValidID]. Default: [DefaultStep].
	Step string

	// Decode reads a submission from the payload. It must not keep body.
	//
	// ctx is the request's, or the one given to Submit. A submission without a
	// Step gets the Handler's. An error should wrap [ErrMalformed],
	// [ErrMissingField], [ErrUnknownStatus] or [ErrNotAcceptable] if the payload
	// is to blame, [ErrNoResult] if it reports no result, or [ErrSessionNotFound] if it
	// names no session; any other is answered 500, so that the sender retries. Package
	// idv has decoders for some services. Default: [DecodeCallback].
	Decode func(ctx context.Context, body []byte) (Submission, error)

	// Acknowledge lists refusals that are answered 200 instead of 404 or 422. It is for
	// services that take another answer for a fault of the endpoint: they retry for
	// days, or disable it. Each of them is [ErrSessionNotFound], [ErrSessionNotOpen],
	// [ErrStepNotFound], [ErrStepNotInProgress] or [ErrNotAcceptable].
	//
	// Submit and Serve return an error that wraps the refusal and has a method
	// EventIgnored, see [ErrNoResult], so that package idempotency records the event
	// and does not process it again. It is logged to [slog.Default], at WARN, with the
	// key. The transaction is committed, so the Submitter must refuse before it writes.
	//
	// Leave ErrSessionNotFound out if a result can arrive before its session is
	// committed: the sender's retry then finds it. Default none.
	Acknowledge []error

	// MaxBody limits the length in bytes of the bodies that are read; longer
	// ones are answered 413. Default: [DefaultMaxBody].
	MaxBody int64

	// ErrorHandler writes the response to a callback that failed with err, and
	// replaces both [WriteError] and the log. It may be called concurrently, and
	// several times for a request that is retried. It is not called for what is
	// answered 200. Default: WriteError, and ServeHTTP logs failures of ours.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)
}

// acknowledgeable is what Options.Acknowledge may list: what a Submitter refuses.
var acknowledgeable = []error{ErrSessionNotFound, ErrSessionNotOpen, ErrStepNotFound, ErrStepNotInProgress, ErrNotAcceptable}

// A Handler answers a verification service's callbacks, as the package comment
// describes. Create it with [NewHandler]; the zero Handler answers every callback
// 500.
//
// A Handler keeps nothing between requests: it is safe for concurrent use, and it
// can be called again for the same request, with its body rewound, after a
// conflict in the database undid the first call.
type Handler struct {
	submitter Submitter
	o         Options
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns a handler that passes callbacks to submitter. The error says
// which argument is wrong and what to set instead. o may be nil.
func NewHandler(submitter Submitter, o *Options) (*Handler, error) {
	if o == nil {
		o = new(Options)
	}
	switch {
	case submitter == nil:
		return nil, errors.New("sessionstep: NewHandler: submitter is nil: pass your session service or the Store that sqlstep.New or pgxstep.New returns")
	case o.Step != "" && !ValidID(o.Step):
		return nil, fmt.Errorf("sessionstep: NewHandler: Options.Step of %d bytes cannot name a step: use 1 to %d bytes of UTF-8 without NUL and U+FFFD, or leave it empty for %q",
			len(o.Step), MaxIDBytes, DefaultStep)
	case o.MaxBody < 0:
		return nil, fmt.Errorf("sessionstep: NewHandler: Options.MaxBody is negative: leave it 0 for %d bytes", DefaultMaxBody)
	}
	for _, err := range o.Acknowledge {
		if !slices.Contains(acknowledgeable, err) {
			return nil, fmt.Errorf("sessionstep: NewHandler: Options.Acknowledge has %v: list only refusals by the state of session and step, such as ErrSessionNotOpen, or ErrNotAcceptable", err)
		}
	}
	return &Handler{submitter: submitter, o: *o}, nil
}

// ServeHTTP answers the callback as [Handler.Serve] does. Without an
// Options.ErrorHandler it logs what is answered 500 to [slog.Default].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h.Serve(w, r)
	if err != nil && h.o.ErrorHandler == nil && Status(err) >= http.StatusInternalServerError {
		slog.ErrorContext(r.Context(), "sessionstep: callback failed", "error", err)
	}
}

// Serve decodes the callback, submits it and writes the response. It returns nil
// if the submission was accepted. If not, it returns the reason, so that the caller
// can roll back, log and, after a conflict in the database, retry.
//
// It logs nothing but what Options.Acknowledge lists, and the response does not hold the
// error.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	s, err := h.submitRequest(w, r)
	switch {
	case err == nil:
		writeSuccess(w, s.Key)
	case h.o.ErrorHandler != nil && !isIgnored(err):
		h.o.ErrorHandler(w, r, err)
	default:
		WriteError(w, err)
	}
	return err
}

// Submit decodes body and submits it, without HTTP. It returns the submission, as
// far as it could be decoded, and why it was not accepted. [Status] maps the error
// to a status; the sentinels of this package also carry it, see [ErrNotAcceptable].
// Options.MaxBody and Options.ErrorHandler have no effect.
func (h *Handler) Submit(ctx context.Context, body []byte) (Submission, error) {
	s, err := h.submit(ctx, body)
	for _, refusal := range h.o.Acknowledge {
		if err != nil && errors.Is(err, refusal) {
			slog.WarnContext(ctx, "sessionstep: result acknowledged, but refused", "key", s.Key, "error", refusal)
			return s, &ignored{text: "sessionstep: acknowledged: " + err.Error(), err: err}
		}
	}
	return s, err
}

func (h *Handler) submit(ctx context.Context, body []byte) (Submission, error) {
	s, err := h.decode(ctx, body)
	if err != nil {
		return s, err
	}
	if err := s.Validate(); err != nil {
		return s, err
	}
	if h.submitter == nil {
		return s, errors.New("sessionstep: Handler without a Submitter: create it with NewHandler")
	}
	return s, h.submitter.Submit(ctx, s)
}

func (h *Handler) submitRequest(w http.ResponseWriter, r *http.Request) (Submission, error) {
	body, err := h.read(w, r)
	if err != nil {
		return Submission{}, fmt.Errorf("sessionstep: read body: %w", err)
	}
	return h.Submit(r.Context(), body)
}

// read returns the body. An error that is not the limit is the connection's: it
// says nothing about the payload, so it becomes a 500 and not a 400.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := cmp.Or(h.o.MaxBody, DefaultMaxBody)
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

func (h *Handler) decode(ctx context.Context, body []byte) (s Submission, err error) {
	if h.o.Decode != nil {
		s, err = h.o.Decode(ctx, body)
	} else {
		s, err = DecodeCallback(body)
	}
	s.Step = cmp.Or(s.Step, h.o.Step, DefaultStep)
	return s, err
}
