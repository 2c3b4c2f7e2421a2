package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDeadlineRace(t *testing.T) {
	const race = "--- FAIL: FuzzRouter (4.03s)\n    context deadline exceeded\nFAIL\n"
	assert.True(t, isDeadlineRace(race))
	assert.False(t, isDeadlineRace("--- FAIL: FuzzRouter (1.20s)\n    router_test.go:7: wrong\n"))
	assert.False(t, isDeadlineRace(race+"    Failing input written to testdata/fuzz/FuzzRouter/0123456789abcdef\n"))
}
