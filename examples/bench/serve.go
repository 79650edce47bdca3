package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// usage is what a server has used since it began.
type usage struct {
	CPU     time.Duration
	Mallocs uint64
	Effects int64
	Took    time.Duration // to do the work of all that was accepted, to fill, to purge
	Memory  int64         // bytes that are resident; 0 where /proc does not tell
	Records int           // that the table was filled with
	Bytes   int64         // of the table
	Purged  int           // records
}

// find returns a way by its name, "group: way".
func find(name string) (g group, w way, err error) {
	groupName, wayName, _ := strings.Cut(name, ": ")
	for _, g := range groups() {
		for _, w := range g.ways {
			if g.name == groupName && w.name == wayName {
				return g, w, nil
			}
		}
	}
	return g, w, fmt.Errorf("no way %q", name)
}

// serve is the server of a way, until its standard input ends: with the process that has
// started it.
func serve(ctx context.Context, name, dsn string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	g, w, err := find(name)
	if err != nil {
		return err
	}
	s, err := open(ctx, g.database, dsn)
	if err != nil {
		return err
	}
	if err := s.createAccounts(ctx); err != nil {
		return err
	}
	handler, err := w.open(ctx, s)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", handler)
	mux.HandleFunc("GET /usage", func(w http.ResponseWriter, _ *http.Request) { reply(w, used()) })
	mux.HandleFunc("POST /work", func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		if s.work != nil {
			if err := s.work(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		u := used()
		u.Took = time.Since(start)
		if u.Effects, err = s.effects(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, u)
	})
	s.handleGrowth(mux)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func used() usage {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Mallocs: m.Mallocs}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		_, _ = fmt.Sscan(string(text), new(int64), &u.Memory)
		u.Memory *= int64(os.Getpagesize())
	}
	return u
}

func reply(w http.ResponseWriter, u usage) {
	_ = json.NewEncoder(w).Encode(u)
}
