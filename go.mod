module github.com/hookonce/hookonce

go 1.26.0

// For tests and store/storetest only.
require (
	github.com/google/go-cmp v0.7.0
	golang.org/x/sync v0.24.0
)
