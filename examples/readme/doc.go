// Package readme tests the code of the README: each block of Go is compiled as it
// stands there, and the program is run.
package readme
