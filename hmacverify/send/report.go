package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hookonce/hookonce/hmacverify/preset"
)

// A report is the output of the command, with -json as JSON.
type report struct {
	Scheme      string    `json:"scheme"`
	URL         string    `json:"url"`
	ID          string    `json:"id,omitempty"` // of the only event; "" if it is in a given body
	Sent        int       `json:"sent"`
	NotAnswered int       `json:"not_answered"`
	Answers     []group   `json:"answers"` // most frequent first
	Errors      []failure `json:"errors"`  // of deliveries that were not answered
	Latency     latency   `json:"latency_ms"`
	Response    *response `json:"response,omitempty"` // to a single delivery
}

// A group counts equal answers.
type group struct {
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`
	Count  int    `json:"count"`
}

type failure struct {
	Error string `json:"error"`
	Count int    `json:"count"`
}

// latency covers the deliveries that were answered.
type latency struct {
	Median  float64 `json:"median"`
	P99     float64 `json:"p99"`
	Slowest float64 `json:"slowest"`
}

type response struct {
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

func newReport(o *options, id string, answers []answer) *report {
	r := &report{Scheme: o.scheme.Name, URL: o.url, Sent: len(answers), Answers: []group{}, Errors: []failure{}}
	if !o.distinct || len(answers) == 1 {
		r.ID = id
	}
	groups, failures := map[group]int{}, map[string]int{}
	var took []time.Duration
	for _, a := range answers {
		if a.err != nil {
			r.NotAnswered++
			failures[a.err.Error()]++
			continue
		}
		groups[group{Status: a.status, Code: a.code}]++
		took = append(took, a.took)
	}
	for g, n := range groups {
		r.Answers = append(r.Answers, group{g.Status, g.Code, n})
	}
	for text, n := range failures {
		r.Errors = append(r.Errors, failure{text, n})
	}
	slices.SortFunc(r.Answers, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code))
	})
	slices.SortFunc(r.Errors, func(a, b failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Error, b.Error))
	})
	r.Latency = newLatency(took)
	if len(answers) == 1 && answers[0].err == nil {
		r.Response = &response{answers[0].header, string(answers[0].body)}
	}
	return r
}

func newLatency(took []time.Duration) latency {
	if len(took) == 0 {
		return latency{}
	}
	slices.Sort(took)
	at := func(i int) float64 { return float64(took[i].Microseconds()) / 1000 }
	n := len(took)
	return latency{Median: at(n / 2), P99: at(min(n-1, n*99/100)), Slowest: at(n - 1)}
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	of := ""
	if r.ID != "" {
		of = " of " + r.ID
	}
	fmt.Fprintf(w, "%d sent%s to %s as %s\n\n", r.Sent, of, r.URL, r.Scheme)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range r.Answers {
		fmt.Fprintf(table, "  %d\t%s\n", g.Count, strings.TrimSpace(fmt.Sprint(g.Status, " ", http.StatusText(g.Status), " ", g.Code)))
	}
	for _, f := range r.Errors {
		fmt.Fprintf(table, "  %d\tnot answered: %s\n", f.Count, f.Error)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.Response != nil {
		r.Response.writeText(w)
	}
	return r.Latency.writeText(w, r.Sent-r.NotAnswered)
}

// writeText writes the body and the headers that explain the answer.
func (r *response) writeText(w io.Writer) {
	var lines []string
	for _, name := range []string{"Content-Type", statusHeader, "Retry-After"} {
		if value := r.Header.Get(name); value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	if body := strings.TrimSpace(r.Body); body != "" {
		lines = append(lines, body)
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\n  %s\n", strings.Join(lines, "\n  "))
	}
}

// writeText writes how long the n answers took.
func (l latency) writeText(w io.Writer, n int) (err error) {
	switch n {
	case 0:
	case 1:
		_, err = fmt.Fprintf(w, "\nanswered in %.1f ms\n", l.Slowest)
	default:
		_, err = fmt.Fprintf(w, "\nmedian %.1f ms, 99th percentile %.1f ms, slowest %.1f ms\n", l.Median, l.P99, l.Slowest)
	}
	return err
}

// writeList lists the schemes.
func writeList(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range preset.All() {
		text, err := describe(s)
		if err != nil {
			text = err.Error()
		}
		fmt.Fprintf(table, "%s\t%s\n", s.Name, text)
	}
	table.Flush()
}
