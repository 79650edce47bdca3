//go:build race

package hmacverify_test

const raceEnabled = true
