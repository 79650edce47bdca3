package inspect

import (
	"crypto/sha256"
	_ "embed" // the pages
	"encoding/base64"
	"html/template"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
)

//go:embed pages.html
var pages string

//go:embed style.css
var style string

// styleHash is what Content-Security-Policy calls the style sheet by.
var styleHash = func() string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"short":      short,
	"since":      since,
	"link":       link,
	"eventLink":  eventLink,
	"kind":       func(k idempotency.Kind) string { return strings.ReplaceAll(string(k), "_", " ") },
	"now":        func() time.Time { return time.Now().UTC() },
	"clock":      func(t time.Time) string { return t.Format(time.RFC3339) },
	"chartWidth": func() int { return slots * barWidth },
}).Parse(pages))
