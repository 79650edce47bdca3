package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// recordedName is the suffix of recordings.
const recordedName = ".http"

// A recording is a request as it was received. Its file, which the command explain reads
// too, is the request: the request line, the header, an empty line, and the
// body to the last byte.
type recording struct {
	method string
	target string // path and query, as they were sent
	header http.Header
	body   []byte
}

// secretHeaders are recorded only if that is asked for.
var secretHeaders = []string{"Authorization", "Cookie", "Proxy-Authorization"}

// hopHeaders concern one connection, and are neither forwarded nor replayed (RFC 9110,
// section 7.6.1).
var hopHeaders = []string{
	"Connection", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// withoutHops returns a copy of h for another connection.
func withoutHops(h http.Header) http.Header {
	h = h.Clone()
	for _, line := range h.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopHeaders {
		h.Del(name)
	}
	return h
}

// text returns the contents of the file.
func (r *recording) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, r.target)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		for _, value := range r.header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("\r\n")
	b.Write(r.body)
	return b.Bytes()
}

// parseRecording is the reverse of text. Its errors quote nothing of the file.
func parseRecording(text []byte) (*recording, error) {
	head, body, ok := bytes.Cut(text, []byte("\r\n\r\n"))
	first, lines, _ := strings.Cut(string(head), "\r\n")
	fields := strings.Split(first, " ")
	if !ok || len(fields) != 3 || fields[0] == "" || !strings.HasPrefix(fields[1], "/") {
		return nil, errors.New("not a recording of -record")
	}
	r := &recording{method: fields[0], target: fields[1], header: http.Header{}, body: body}
	for line := range strings.SplitSeq(lines, "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		if line == "" {
			continue // no header
		}
		if !ok || name == "" {
			return nil, errors.New("not a recording of -record: malformed header")
		}
		r.header.Add(name, value)
	}
	return r, nil
}

// save writes the recording into a directory, as a new file that only its owner can
// read, and returns the file's name. Nothing in the name is from the request.
func (r *recording) save(dir *os.Root) (name string, err error) {
	name = time.Now().UTC().Format("20060102T150405.000000000Z") + "-" + rand.Text()[:8] + recordedName
	partial := name + ".part" // -replay must not see half of it
	file, err := dir.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.Write(r.text())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = dir.Rename(partial, name)
	}
	if err != nil {
		return "", errors.Join(err, dir.Remove(partial))
	}
	return name, nil
}

// readRecordings reads a recording, or those in a directory in the order in which they
// came.
func readRecordings(path string) ([]*recording, error) {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		entries, err := os.ReadDir(path) // sorted by name, which starts with the time
		if err != nil {
			return nil, err
		}
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), recordedName) })
		if len(entries) == 0 {
			return nil, fmt.Errorf("%s has no recordings", path)
		}
		files = nil
		for _, e := range entries {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	all := make([]*recording, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		r, err := parseRecording(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, r)
	}
	return all, nil
}
