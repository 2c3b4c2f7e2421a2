package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
)

func TestParseOptions(t *testing.T) {
	names := func(t *testing.T, args ...string) (names []string) {
		t.Helper()
		o, err := parseOptions(args, io.Discard)
		require.NoError(t, err)
		for _, b := range o.selected {
			names = append(names, b.name)
		}
		return names
	}
	t.Run("selects benchmarks by name and group", func(t *testing.T) {
		require.Equal(t, []string{"details", "post-sqlite", "post-postgres"}, names(t, "-only", "post,details"))
		require.Equal(t, []string{"list-sqlite"}, names(t, "-only", "list-sqlite"))
		require.Len(t, names(t), len(benchmarks()))
	})
	t.Run("selects what can compare revisions", func(t *testing.T) {
		comparable := []string{"details", "post-sqlite", "post-postgres", "list-sqlite", "list-postgres"}
		require.Equal(t, comparable, names(t, "-against", "HEAD"))
	})
	t.Run("chooses the number of rounds", func(t *testing.T) {
		for want, args := range map[int][]string{
			5: nil, 9: {"-against", "HEAD"}, 3: {"-short", "-against", "HEAD"}, 7: {"-short", "-rounds", "7"},
		} {
			o, err := parseOptions(args, io.Discard)
			require.NoError(t, err)
			require.Equal(t, want, o.rounds, args)
		}
	})
	t.Run("rejects what it does not know", func(t *testing.T) {
		const all = "details, console, telemetry, addresses, post-sqlite, post-postgres, list-sqlite, list-postgres, start, overload"
		for want, args := range map[string][]string{
			`-only: "nothing" is not a benchmark; valid names are ` + all: {"-only", "details,nothing"},
			`-only: "start" is not a benchmark that supports -against; valid names are ` +
				"details, post-sqlite, post-postgres, list-sqlite, list-postgres": {"-only", "start", "-against", "HEAD"},
			`unexpected argument "details"`:            {"details"},
			"-rounds must be positive":                 {"-rounds", "-1"},
			"-profile and -against cannot be combined": {"-profile", "x", "-against", "HEAD"},
			"flag provided but not defined: -nothing":  {"-nothing"},
		} {
			_, err := parseOptions(args, io.Discard)
			require.EqualError(t, err, want)
		}
	})
	t.Run("describes every flag and benchmark", func(t *testing.T) {
		var help bytes.Buffer
		_, err := parseOptions([]string{"-h"}, &help)
		require.ErrorIs(t, err, settings.ErrHelp)
		for _, flag := range []string{"-against revision", "-only names", "-profile folder", "-rounds rounds", "-short", "-strict"} {
			require.Contains(t, help.String(), "\n  "+flag+"\n")
		}
		for _, b := range benchmarks() {
			require.Contains(t, help.String(), b.summary)
		}
	})
}
