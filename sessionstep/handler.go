package sessionstep

import (
	"errors"
	"io"
	"net/http"
)

// DefaultStep is the step that a [Handler] submits to if it is not told another.
const DefaultStep = "identity_verification"

// DefaultMaxBody is the length in bytes of the longest body that a [Handler]
// reads if it is not told another: 1 MiB.
const DefaultMaxBody = 1 << 20

// A Handler answers a verification service's callbacks. See the package comment
// for what it takes and answers.
//
// Set the fields before the first request and do not change them after it. A
// Handler keeps nothing between requests, so it is safe for concurrent use, and
// it may be called again for the same request, with its body rewound, when a
// conflict in the database undid the first call.
type Handler struct {
	// Submitter takes the submissions. Required: without it every callback that
	// can be read is answered 500, so that the sender comes again when it has
	// been set.
	Submitter Submitter

	// Step is the step that is submitted to. Empty means [DefaultStep].
	Step string

	// Decode makes a submission of the payload. Nil means [DecodeCallback].
	//
	// A function that leaves Submission.Step empty gets the Handler's. It should
	// wrap [ErrMalformed], [ErrMissingField], [ErrUnknownStatus] or
	// [ErrNotAcceptable] when the payload is to blame. Any other error means
	// that the sender should come again and is answered 500. r's body has been
	// read; it must not keep body.
	Decode func(r *http.Request, body []byte) (Submission, error)

	// MaxBody is the length in bytes of the longest body that is read. Zero or
	// less means [DefaultMaxBody].
	MaxBody int64

	// OnError is told why r is not answered 200, before the answer is written.
	// It is where to find the database's errors, as the answer does not hold
	// them. It may be called concurrently. Nil means that nobody is told.
	OnError func(r *http.Request, err error)
}

// ServeHTTP decodes the callback, submits it, and answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, err := h.submit(w, r)
	if err != nil {
		if h.OnError != nil {
			h.OnError(r, err)
		}
		writeProblem(w, problemOf(err))
		return
	}
	writeSuccess(w, key)
}

func (h *Handler) submit(w http.ResponseWriter, r *http.Request) (key string, err error) {
	body, err := h.read(w, r)
	if err != nil {
		return "", err
	}
	s, err := h.decode(r, body)
	if err != nil {
		return "", err
	}
	if err := s.Validate(); err != nil {
		return "", err
	}
	if h.Submitter == nil {
		return "", errors.New("sessionstep: Handler without a Submitter")
	}
	return s.Key, h.Submitter.Submit(r.Context(), s)
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := h.MaxBody
	if limit <= 0 {
		limit = DefaultMaxBody
	}
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	// An error that is not the limit is the connection's, so nobody reads the
	// answer; it becomes a 500 and not a verdict on the payload.
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

func (h *Handler) decode(r *http.Request, body []byte) (s Submission, err error) {
	if h.Decode != nil {
		s, err = h.Decode(r, body)
	} else {
		s, err = DecodeCallback(body)
	}
	if s.Step == "" {
		s.Step = h.Step
	}
	if s.Step == "" {
		s.Step = DefaultStep
	}
	return s, err
}
