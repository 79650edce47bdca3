package hmacverify

import (
	"fmt"
	"net/url"
	"slices"
)

// maxFields bounds the form fields that are sorted. Twilio sends some forty.
const maxFields = 1000

// formFields returns what {params} stands for: the fields of a form, sorted by
// name and then by value, names and values concatenated. A pair that is there
// twice counts once, as Twilio has it.
//
// Such a signature covers the fields and not the bytes, and not even the edge
// between a name and its value. Nothing here can mend that; plan.identity sees
// to it that no identity rests on the bytes.
func formFields(body []byte) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: body is not a form", ErrMalformed)
	}
	if len(form) > maxFields {
		return nil, fmt.Errorf("%w: more than %d form fields", ErrMalformed, maxFields)
	}
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	signed := make([]byte, 0, len(body))
	for _, name := range names {
		values := form[name]
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			signed = append(signed, name...)
			signed = append(signed, value...)
		}
	}
	return signed, nil
}
