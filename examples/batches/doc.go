// Package batches shows, in its tests, how to process requests that carry several events:
// each event by itself, which is the default, or all new events of a request in one
// transaction.
package batches
