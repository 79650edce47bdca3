package hmacverify

import (
	"errors"
	"net/http"
	"time"
)

func (v *Verifier) Tolerance() time.Duration {
	if v == nil || v.plan == nil || v.plan.scheme.Timestamp == (Timestamp{}) {
		return 0
	}
	return v.plan.tolerance
}

// Refuse writes the response to a request that Check refused.
func (v *Verifier) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrMethod) {
		w.Header().Set("Allow", v.plan.method)
	}
	if mustHangUp(r, err) {
		w.Header().Set("Connection", "close")
	}
	WriteError(w, err)
}
