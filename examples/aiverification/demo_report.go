package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
)

// A row is the outcome of one act.
type row struct {
	sent     string
	answers  map[int]int
	stands   standing
	promised bool
}

// report prints the rows and returns an error if one is not as promised. A column shows
// the inbox if there is one.
func report(w io.Writer, rows []row, later bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	inbox := func(s string) string {
		if !later {
			return ""
		}
		return cmp.Or(s, "-") + "\t"
	}
	fmt.Fprintf(t, "SENT\tRESPONSES\tRECORDS\tSUBMISSIONS\tSTEP\t%sAS PROMISED\n", inbox("INBOX"))
	broken := 0
	for _, r := range rows {
		verdict := "yes"
		if !r.promised {
			verdict = "NO"
			broken++
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s%s\n",
			r.sent, tally(r.answers), r.stands.records, r.stands.submissions, r.stands.step, inbox(r.stands.waits), verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if broken > 0 {
		return errBroken
	}
	_, err := fmt.Fprintf(w, "\n%d of %d as promised\n", len(rows), len(rows))
	return err
}
