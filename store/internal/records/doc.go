// Package records is what the stores on SQL databases share: the statements and what
// their errors mean, how a claim is decided, and the way of a delivery through a
// transaction. It knows no driver: a store brings its [Conn] and its [Database].
package records
