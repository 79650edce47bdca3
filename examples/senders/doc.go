// Package senders holds the presets against the senders' own code: npm packages by
// which they sign and verify webhooks, over HTTP, in both directions. It has tests
// only.
//
// Packages that are large to download are tested by hand:
//
//	go -C examples test ./senders -large
//
// The lock files in testdata and testdata/large are the list of packages and
// versions; go test -v prints it.
package senders
