package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// grow measures new events of the first number of connections while the tables grow to each
// of the sizes; at the end, once more while the store deletes what it was filled with.
func (p *plan) grow(ctx context.Context, out io.Writer, progress *reporter) error {
	for _, g := range groups() {
		if !p.has(g) || !strings.HasSuffix(g.name, "/inline") {
			continue
		}
		if err := p.growGroup(ctx, g, out, progress); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return nil
}

func (p *plan) growGroup(ctx context.Context, g group, out io.Writer, progress *reporter) (err error) {
	g.ways = []way{g.ways[0], g.ways[len(g.ways)-1]} // by hand, and hookonce
	processes, err := p.startAll(ctx, g)
	defer func() {
		for _, w := range processes {
			err = errors.Join(err, w.stop())
		}
	}()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(w, "\n%s, new events, %d connections\nrecords\tway\trate/s\tof by hand\t(lowest, highest)\tCPU µs\tp50 ms\tp99\tp99.9\tbytes of a record\tmemory MB\t\n", g.name, p.conns[0])
	for _, size := range p.records {
		if err := p.growTo(ctx, g, processes, size, w, progress); err != nil {
			return err
		}
	}
	_ = w.Flush()
	if err := p.purge(ctx, processes[1], out, progress); err != nil {
		return err
	}
	return checkBooks(ctx, processes, progress)
}

func (p *plan) growTo(ctx context.Context, g group, processes []*process, size int, w io.Writer, progress *reporter) error {
	var filled [2]usage
	for i, process := range processes {
		progress.step("%s, filling the table of %s to %d records", g.name, process.way.name, size)
		var err error
		if filled[i], err = process.sender.usage(ctx, http.MethodPost, "/fill?records="+strconv.Itoa(size)); err != nil {
			return err
		}
	}
	var results [2]result
	for round := range p.rounds {
		for i, process := range processes {
			progress.step("%s, %d records, round %d of %d: %s", g.name, size, round+1, p.rounds, process.way.name)
			s, err := process.sender.measure(ctx, p.conns[0], false, p.slice)
			if err != nil {
				return fmt.Errorf("%s: %w", process.way.name, err)
			}
			results[i].add(s, &results[0])
		}
	}
	for i := range results {
		r := &results[i]
		_, _ = fmt.Fprintf(w, "%d\t%s\t%.0f\t%.2f\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f\t%s\t\n", size, processes[i].way.name,
			r.rate(), median(r.ratios), r.spread(), r.of(cpuMicros), r.of(p50), r.of(p99), r.of(p999),
			float64(filled[i].Bytes)/float64(filled[i].Records), r.memory())
	}
	return nil
}

// purgeFor is how long a purge may take: of 20 million records it takes longer.
const purgeFor = time.Minute

// purge measures new events while the store deletes old records, beside slices without that.
func (p *plan) purge(ctx context.Context, store *process, out io.Writer, progress *reporter) error {
	progress.step("purging")
	before, err := store.sender.measure(ctx, p.conns[0], false, p.slice)
	if err != nil {
		return err
	}
	type answer struct {
		usage
		err error
	}
	purged := make(chan answer, 1)
	go func() {
		u, err := store.sender.usage(ctx, http.MethodPost, "/purge")
		purged <- answer{u, err}
	}()
	var beside result
	for {
		s, err := store.sender.measure(ctx, p.conns[0], false, p.slice)
		if err != nil {
			return err
		}
		beside.slices = append(beside.slices, s)
		select {
		case a := <-purged:
			if a.err != nil {
				return a.err
			}
			_, _ = fmt.Fprintf(out, "Purge deleted %d records in %v; the table has %d MB then.\n", a.Purged, a.Took.Round(time.Millisecond), a.Bytes>>20)
			_, _ = fmt.Fprintf(out, "Beside it: %.0f/s, p99 %.2f ms, p99.9 %.2f ms; before it: %.0f/s, p99 %.2f ms, p99.9 %.2f ms.\n",
				beside.rate(), beside.of(p99), beside.of(p999), before.rate, p99(before), p999(before))
			return nil
		default:
		}
	}
}

// handleGrowth serves what grow asks for.
func (s *site) handleGrowth(mux *http.ServeMux) {
	serve := func(pattern string, f func(r *http.Request, u *usage) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			u, start := used(), time.Now()
			err := f(r, &u)
			u.Took = time.Since(start)
			if err == nil {
				u.Records = s.records
				u.Bytes, err = s.bytes(r.Context())
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			reply(w, u)
		})
	}
	serve("POST /fill", func(r *http.Request, _ *usage) error {
		n, err := strconv.Atoi(r.FormValue("records"))
		if err != nil {
			return err
		}
		return s.fill(r.Context(), n)
	})
	serve("POST /purge", func(r *http.Request, u *usage) (err error) {
		ctx, cancel := context.WithTimeout(r.Context(), purgeFor)
		defer cancel()
		u.Purged, err = s.purge(ctx)
		if ctx.Err() != nil && r.Context().Err() == nil {
			return nil
		}
		return err
	})
}

// table is where the way keeps what it has had.
func (s *site) table() string {
	if s.purge == nil {
		return "seen"
	}
	return "idempotency_records"
}

// fill fills the table up to n records, which are old: in the order of their keys, which
// lie among those of new events.
func (s *site) fill(ctx context.Context, n int) error {
	step := (int64(1)<<60 - 1<<32) / int64(n) // 15 digits in hexadecimal, whatever the size
	for s.records < n {
		some := min(1_000_000, n-s.records)
		if err := s.exec(ctx, s.fillStatement(int64(s.records)*step+int64(n), step, some)); err != nil {
			return err
		}
		s.records += some
	}
	if s.database == "mariadb" || s.database == "sqlite" {
		return nil
	}
	if err := s.exec(ctx, "VACUUM ANALYZE "+s.table()); err != nil {
		return err
	}
	return s.exec(ctx, "CHECKPOINT")
}

// fillStatement inserts n records, whose keys begin at from and are that far apart.
func (s *site) fillStatement(from, step int64, n int) string {
	id, rows := "", ""
	switch s.database {
	case "mariadb":
		id = fmt.Sprintf("concat('evt_000000000000', lpad(lower(hex(%d + seq * %d)), 15, '0'), '0')", from, step)
		rows = fmt.Sprintf("seq_1_to_%d", n)
	case "sqlite":
		id = fmt.Sprintf("printf('evt_000000000000%%015x0', %d + i * %d)", from, step)
		rows = fmt.Sprintf("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)", n)
	default:
		id = fmt.Sprintf("'evt_000000000000' || lpad(to_hex(%d + i * %d), 15, '0') || '0'", from, step)
		rows = fmt.Sprintf("generate_series(1::bigint, %d) AS i", n)
	}
	if s.purge == nil {
		return "INSERT INTO seen (id, state, owner, at) SELECT " + id + ", 2, '', 0 FROM " + rows
	}
	scope, owner := "CAST('bench' AS BLOB)", "CAST('' AS BLOB)"
	switch s.database {
	case "mariadb":
		scope, owner = "'bench'", "''"
	case "sqlite":
		id = "CAST(" + id + " AS BLOB)"
	default:
		scope, owner, id = "'bench'::bytea", "''::bytea", "convert_to("+id+", 'utf8')"
	}
	return "INSERT INTO idempotency_records (scope, id, state, owner, token, attempts, lease_until, changed_at) SELECT " +
		scope + ", " + id + ", 2, " + owner + ", 1, 1, 0, 0 FROM " + rows
}

// bytes returns the size of the table with its indexes; of SQLite that of the file.
func (s *site) bytes(ctx context.Context) (n int64, err error) {
	switch s.database {
	case "sqlite":
		err = s.db.QueryRowContext(ctx, "SELECT (SELECT page_count FROM pragma_page_count()) * (SELECT page_size FROM pragma_page_size())").Scan(&n)
	case "mariadb":
		err = s.db.QueryRowContext(ctx, "SELECT file_size FROM information_schema.innodb_sys_tablespaces WHERE name = concat(database(), '/', ?)", s.table()).Scan(&n)
	case "pgxpool":
		err = s.pool.QueryRow(ctx, "SELECT pg_total_relation_size($1::regclass)", s.table()).Scan(&n)
	default:
		err = s.db.QueryRowContext(ctx, "SELECT pg_total_relation_size($1::regclass)", s.table()).Scan(&n)
	}
	return n, err
}
