package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// captured is a request as it was found in a file.
type captured struct {
	method, target string // empty without a request line
	header         http.Header
	body           []byte
}

func readCapture(file, bodyFile string, stdin io.Reader) (c captured, err error) {
	var text []byte
	if file == "-" {
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return c, err
	}
	if c, err = parseCapture(text); err == nil && bodyFile != "" {
		c.body, err = os.ReadFile(bodyFile)
	}
	return c, err
}

// parseCapture is more lenient than net/http: lines may end in a bare newline, and there
// need be no request line, since that is how requests are found in logs. The body is
// what follows the empty line, to the last byte.
func parseCapture(text []byte) (captured, error) {
	c := captured{header: http.Header{}}
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			c.body = text
			return c, nil
		}
		if n == 1 && c.requestLine(string(line)) {
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t{}\"") {
			return c, fmt.Errorf("line %d is not a header, as Name: value; an empty line ends the headers", n)
		}
		c.header.Add(name, strings.TrimSpace(value))
	}
	if len(c.header) == 0 {
		return c, errors.New("the file is empty: it must hold header lines, an empty line and the body")
	}
	return c, nil
}

// requestLine reads "POST /hooks?a=1 HTTP/1.1".
func (c *captured) requestLine(line string) bool {
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasPrefix(fields[2], "HTTP/") {
		return false
	}
	c.method, c.target = fields[0], fields[1]
	return true
}

// request returns the captured request with that body, for a verifier with that method.
func (c *captured) request(url string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(context.Background(), c.method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the captured request cannot be built: %w", err)
	}
	r.Header, r.RequestURI = c.header.Clone(), c.target
	return r, nil
}
