package preset_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// column is one of a table: its title and the text for a sender.
type column struct {
	title string
	cell  func(function) string
}

var signingColumns = []column{
	{"Sender", func(f function) string { return link(f.scheme.Sender) }},
	{"Preset", func(f function) string { return "`" + f.name + "`" }},
	{"Signature in", signatureCell},
	{"Algorithm", func(f function) string { return algorithms[f.scheme.Algorithm] + ", " + encodings[f.scheme.Encoding] }},
	{"Signed", signedCell},
	{"Key", keyCell},
	{"Time", timeCell},
	{"Identity", identityCell},
}

var behaviourColumns = []column{
	{"Sender", func(f function) string { return f.scheme.Sender.Title }},
	{"Waits", func(f function) string { return duration(f.scheme.Sender.Waits) }},
	{"Success", successCell},
	{"Retries", func(f function) string { return retries[f.scheme.Sender.Retries] }},
	{"For", func(f function) string { return duration(f.scheme.Sender.RetryWindow) }},
	{"Retry's time", retryTimeCell},
	{"Duplicate", func(f function) string { return responses[f.scheme.Sender.Duplicate] }},
	{"Blocks", func(f function) string { return map[bool]string{true: "yes"}[f.scheme.Sender.Blocks] }},
	{"Stops sending", func(f function) string { return map[bool]string{true: "yes"}[f.scheme.Sender.Disables != ""] }},
}

var (
	algorithms = map[hmacverify.Algorithm]string{
		hmacverify.SHA256: "SHA-256", hmacverify.SHA1: "SHA-1", hmacverify.SHA512: "SHA-512",
		hmacverify.Ed25519: "Ed25519", hmacverify.ECDSAP256: "ECDSA P-256", hmacverify.RSASHA256: "RSA, SHA-256", hmacverify.RSASHA512: "RSA, SHA-512",
	}
	encodings = map[hmacverify.Encoding]string{
		hmacverify.Hex: "hex", hmacverify.Base64: "base64", hmacverify.Base64URL: "base64url",
	}
	keyEncodings = map[hmacverify.KeyEncoding]string{
		hmacverify.RawKey: "text", hmacverify.Base64Key: "base64", hmacverify.HexKey: "hex",
	}
	units = map[hmacverify.Unit]string{
		hmacverify.Seconds: "s", hmacverify.Milliseconds: "ms", hmacverify.RFC3339: "RFC 3339",
	}
	retries = map[hmacverify.Retries]string{
		hmacverify.RetriesAll: "all", hmacverify.RetriesSome: "some", hmacverify.RetriesNone: "none",
	}
	responses = map[hmacverify.Response]string{
		hmacverify.Acknowledge: "2xx", hmacverify.Conflict: "409", hmacverify.Replay: "first response",
	}
)

// table returns a table in Markdown.
func table(columns []column, members []function) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteString("| " + c.title + " ")
	}
	b.WriteString("|\n" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, f := range members {
		for _, c := range columns {
			b.WriteString("| " + strings.ReplaceAll(c.cell(f), "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}

func link(d hmacverify.Sender) string {
	if d.Docs == "" {
		return d.Title
	}
	return "[" + d.Title + "](" + d.Docs + ")"
}

func signatureCell(f function) string {
	s := f.scheme
	if len(s.Signature) == 0 {
		return "see its comment"
	}
	names := []string{}
	for _, name := range s.Signature {
		names = append(names, "`"+name+"`")
	}
	text := strings.Join(names, ", ")
	if len(names) > 2 {
		text = names[0] + " to " + names[len(names)-1]
	}
	switch example := listExample(s); {
	case example != "":
		text += ": `" + example + "`"
	case s.Prefix != "":
		text += ": `" + s.Prefix + "…`"
	}
	return text
}

// listExample shows how the values of a list are written.
func listExample(s hmacverify.Scheme) string {
	if s.List.Sep == "" {
		return ""
	}
	var entries []string
	if key := s.Timestamp.ListKey; key != "" {
		entries = append(entries, strings.TrimPrefix(key+s.List.KV, "0")+"time")
	}
	if len(s.List.Keys) == 0 {
		if s.List.KV != "" {
			return "key" + s.List.KV + s.Prefix + "…" + s.List.Sep + "…"
		}
		return strings.Join(append(entries, s.Prefix+"…", "…"), s.List.Sep)
	}
	for _, key := range s.List.Keys {
		entries = append(entries, key+s.List.KV+s.Prefix+"…")
	}
	return strings.Join(entries, s.List.Sep)
}

func signedCell(f function) string {
	switch s := f.scheme; {
	case s.Extract != nil:
		return "see its comment"
	case s.Signed == "":
		return "`{body}`"
	default:
		return "`" + s.Signed + "`"
	}
}

func keyCell(f function) string {
	text := keyEncodings[f.scheme.KeyEncoding]
	if f.scheme.KeyPrefix != "" {
		text += " after `" + f.scheme.KeyPrefix + "`"
	}
	return text
}

func timeCell(f function) string {
	if !timed(f.scheme) {
		return "–"
	}
	text := units[f.scheme.Timestamp.Unit]
	if f.scheme.Timestamp.Layout != "" {
		text = "HTTP date"
	}
	switch t := f.scheme.Timestamp.Tolerance; {
	case t == hmacverify.InsecureAnyTime:
		text += ", any"
	case t != 0:
		text += ", tolerance " + duration(t)
	}
	return text
}

// timed reports whether a time is signed.
func timed(s hmacverify.Scheme) bool {
	found := s.Extract != nil && s.Sender.RetryTime != hmacverify.RetryTimeUnknown // by the ExtractFunc
	return s.Timestamp != hmacverify.Timestamp{} || found
}

func identityCell(f function) string {
	switch s := f.scheme; {
	case s.Identity == hmacverify.BodyDigest:
		return "digest"
	case s.Identity == hmacverify.NoIdentity:
		return "none"
	case s.ID.Header != "":
		return "ID in `" + s.ID.Header + "`"
	case s.ID.JSON != "":
		return "ID `" + s.ID.JSON + "`"
	default:
		return "ID, see its comment"
	}
}

func successCell(f function) string {
	var codes []string
	for _, code := range f.scheme.Sender.Success {
		codes = append(codes, strconv.Itoa(code))
	}
	return strings.Join(codes, ", ")
}

func retryTimeCell(f function) string {
	switch d := f.scheme.Sender; {
	case !timed(f.scheme):
		return "–"
	case d.RetryTime == hmacverify.RetryTimeNew:
		return "new"
	case d.RetryTime == hmacverify.RetryTimeFirst:
		return "**first**"
	default:
		return ""
	}
}

// duration writes a duration in words: "3 days", "1 h 25 min".
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	var parts []string
	if d >= 2*day {
		parts = append(parts, fmt.Sprintf("%d days", d/day))
		d %= day
	}
	for _, unit := range []struct {
		is   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / unit.is; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			d %= unit.is
		}
	}
	return strings.Join(parts, " ")
}

func size(n int64) string {
	switch {
	case n == 0:
		return ""
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	default:
		return fmt.Sprintf("%d KiB", n>>10)
	}
}

// escape keeps GitHub from reading markup into the text of a fact.
func escape(s string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "|", `\|`, "[", `\[`, "]", `\]`).Replace(s)
}
