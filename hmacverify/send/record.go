package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// A recorder writes each request into a file, forwards it if there is an endpoint, and
// responds what that does.
type recorder struct {
	dir     *os.Root
	forward *url.URL // nil: respond 200
	maxBody int64
	secrets bool // are recorded
	client  *http.Client
	log     *log.Logger
}

// record runs a recorder until ctx ends.
func (o *options) record(ctx context.Context, stderr io.Writer) error {
	if err := os.MkdirAll(o.recordDir, 0o700); err != nil {
		return err
	}
	dir, err := os.OpenRoot(o.recordDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	c := &recorder{dir: dir, maxBody: o.maxBody, secrets: o.recordSecrets, client: newClient(o), log: log.New(stderr, "", 0)}
	c.client.Transport.(*http.Transport).DisableCompression = true // the response is passed on as it is
	if o.url != "" {
		if c.forward, err = url.Parse(o.url); err != nil {
			return err
		}
	}
	c.log.Printf("recording to %s, listening on http://%s", o.recordDir, listener.Addr())
	server := &http.Server{
		Handler: c, ErrorLog: c.log,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return server.Shutdown(last)
	}
}

func (c *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorded, status := c.read(w, r)
	if recorded == nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	name, err := recorded.without(c.secrets).save(c.dir)
	if err != nil {
		c.log.Printf("not recorded: %v", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	status = http.StatusOK
	if c.forward != nil {
		status = c.pass(w, r, recorded)
	}
	c.log.Printf("%s %q, %d bytes, responded %d: %s", recorded.method, r.URL.Path, len(recorded.body), status, name)
}

// read returns the request, or the status of its refusal.
func (c *recorder) read(w http.ResponseWriter, r *http.Request) (_ *recording, status int) {
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") { // as to a proxy
		target = r.URL.RequestURI()
	}
	if !strings.HasPrefix(target, "/") {
		return nil, http.StatusBadRequest
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, c.maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		c.log.Printf("not recorded: the body of a request has more than %d bytes, see -max-body", c.maxBody)
		return nil, http.StatusRequestEntityTooLarge
	} else if err != nil {
		return nil, http.StatusBadRequest
	}
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	return &recording{method: r.Method, target: target, header: header, body: body}, 0
}

// without returns the recording without what is secret, unless that is kept.
func (r *recording) without(keep bool) *recording {
	if keep {
		return r
	}
	stripped := *r
	stripped.header = r.header.Clone()
	for _, name := range secretHeaders {
		stripped.header.Del(name)
	}
	return &stripped
}

// pass forwards the request, and returns the status that it responded.
func (c *recorder) pass(w http.ResponseWriter, r *http.Request, recorded *recording) int {
	resp, err := c.request(r.Context(), recorded)
	if err != nil {
		c.log.Printf("not forwarded: %v", err)
		http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
		return http.StatusBadGateway
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), withoutHops(resp.Header))
	w.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(w, resp.Body); err != nil {
		c.log.Printf("the response broke off: %v", err)
	}
	return resp.StatusCode
}

func (c *recorder) request(ctx context.Context, recorded *recording) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, recorded.method, address(c.forward, recorded.target), bytes.NewReader(recorded.body))
	if err != nil {
		return nil, fmt.Errorf("%s: malformed", recorded.method)
	}
	req.Header = recorded.sent()
	return c.client.Do(req)
}

// sent returns the header to send, to another host.
func (r *recording) sent() http.Header {
	h := withoutHops(r.header)
	h.Del("Host")
	h.Del("Content-Length")
	if len(h["User-Agent"]) == 0 {
		h.Set("User-Agent", "") // or net/http adds its own
	}
	return h
}

// address returns where a request goes: to the path and query that it came to, unless
// base has a path of its own.
func address(base *url.URL, target string) string {
	u := *base
	if u.Path == "" || u.Path == "/" {
		u.Path, u.RawPath, u.RawQuery, u.Fragment = "", "", "", ""
		return u.String() + target
	}
	if _, query, ok := strings.Cut(target, "?"); ok && u.RawQuery == "" {
		u.RawQuery = query
	}
	return u.String()
}
