package idv

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hookonce/hookonce/sessionstep"
)

// News is the outcome of a result that decides nothing and asks for nothing: the event
// is accepted and ignored, see [sessionstep.ErrNoResult]. It occurs in Vendor.Outcomes
// only, never in a Submission.
const News sessionstep.Outcome = "news"

// A Vendor describes the webhooks of an identity-verification service. The functions
// of this package return those of services that we know; change a field before [New] if
// your account sends something else.
//
// A path names a value in the payload by the names of objects' fields and the indices of
// arrays, with dots between: "data.tags.0". Alternatives stand after one another with
// "|" between: the first that is present counts, and null is absent.
type Vendor struct {
	// Name begins the key of each submission, so that two vendors can submit to one
	// step: 1 to 64 letters, digits and hyphens. It is the name of the vendor's preset.
	Name string

	// Type is the path of the event's type. Default: payloads have no type.
	Type string

	// Types lists the types that carry a result. Every other type is news: an endpoint
	// gets only the types that it is subscribed to, and those that a service adds are
	// rarely decisions. "" stands for a payload without a type; where it is not listed,
	// such a payload is refused. Only with Type.
	Types []string

	// Session is the path of the session's ID: what you gave the service when you began
	// the verification. Required.
	Session string

	// Result lists the paths of the values that make up the result. Those that are
	// present, with "/" between, are the word that Outcomes maps. Required.
	Result []string

	// Outcomes maps results to outcomes: [sessionstep.Verified], [sessionstep.Rejected],
	// [sessionstep.NeedsReview] or [News]. A result that it does not have is
	// NeedsReview: a person sees it, with the word in the details, nothing is decided,
	// and the service gets its 200. Required.
	Outcomes map[string]sessionstep.Outcome

	// Key lists the paths of the values that tell one result from another, such as the
	// event's ID. The first is required in each payload. Several are joined with "/"; one
	// within a value is written "%2F". Required.
	Key []string

	// Time is the path of the time of the result: RFC 3339, "2006-01-02 15:04:05" in UTC
	// with any fraction or with an offset, or seconds or milliseconds since 1970. The
	// details hold it in one form. Default none.
	Time string

	// Details lists the paths of what is kept of the payload. No vendor's default names
	// the person or the document, or holds an image, an address or a free text. "*"
	// keeps the whole payload. Default none.
	Details []string
}

// All returns the vendors that this package knows, by name.
func All() []Vendor {
	return []Vendor{
		Checkr(), Didit(), IDenfy(), Onfido(), Persona(), StripeIdentity(), Sumsub(), Veriff(),
	}
}

// check reports what is wrong with v, and the way out.
func (v *Vendor) check() error {
	switch {
	case !validName(v.Name):
		return errors.New("Vendor.Name must be 1 to 64 letters, digits and hyphens, such as \"persona\"")
	case v.Session == "":
		return errors.New("Vendor.Session is empty: name the path of the session's ID in the payload")
	case len(v.Result) == 0 || len(v.Outcomes) == 0:
		return errors.New("Vendor.Result or Vendor.Outcomes is empty: without them no result can be read")
	case len(v.Key) == 0:
		return errors.New("Vendor.Key is empty: name what tells one result from another, such as the path of the event's ID")
	case v.Type == "" && len(v.Types) > 0:
		return errors.New("Vendor.Types without Vendor.Type: name the path of the event's type")
	case v.Type != "" && len(v.Types) == 0:
		return errors.New("Vendor.Type without Vendor.Types: list the types that carry a result")
	}
	for _, word := range slices.Sorted(maps.Keys(v.Outcomes)) {
		switch v.Outcomes[word] {
		case sessionstep.Verified, sessionstep.Rejected, sessionstep.NeedsReview, News:
		default:
			return fmt.Errorf("Vendor.Outcomes[%q] is %q: use Verified, Rejected, NeedsReview or News", word, v.Outcomes[word])
		}
	}
	return v.checkPaths()
}

func (v *Vendor) checkPaths() error {
	paths := slices.Concat([]string{v.Session}, v.Result, v.Key, slices.DeleteFunc(slices.Clone(v.Details), isWhole))
	for _, optional := range []string{v.Type, v.Time} {
		if optional != "" {
			paths = append(paths, optional)
		}
	}
	for _, p := range paths {
		for alternative := range strings.SplitSeq(p, "|") {
			if slices.Contains(strings.Split(alternative, "."), "") {
				return fmt.Errorf("%q is not a path: write names with dots between, such as \"data.id\"", p)
			}
		}
	}
	return nil
}

func isWhole(path string) bool { return path == "*" }

func validName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-')
	})
}
