// Package readme tests the code of the README: it compiles every block of Go, and runs
// the first complete program.
package readme
