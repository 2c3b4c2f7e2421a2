package failure_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
)

func TestCodeOf(t *testing.T) {
	t.Run("finds the code of a wrapped failure", func(t *testing.T) {
		err := fmt.Errorf("create user: %w", failure.New(failure.Conflict, "taken"))
		require.Equal(t, failure.Conflict, failure.CodeOf(err))
	})

	t.Run("returns Internal for other errors and no code for nil", func(t *testing.T) {
		require.Equal(t, failure.Internal, failure.CodeOf(errors.New("boom")))
		require.Empty(t, failure.CodeOf(nil))
	})
}

func TestFieldsErr(t *testing.T) {
	t.Run("names every invalid member", func(t *testing.T) {
		var fields failure.Fields
		require.NoError(t, fields.Err())
		fields.Add("name", "is required")
		fields.Add("email", "must look like an address")
		require.EqualError(t, fields.Err(), "name is required; email must look like an address.")
	})
}

func TestCheckText(t *testing.T) {
	t.Run("requires a character that is no white space", func(t *testing.T) {
		for text, valid := range map[string]bool{
			"": false, " ": false, "\u0085": false, "\uFEFF": false, "\u3000\uFEFF \u2003": false, "a\x00": false, "\u200B": true, "\uFEFFx": true,
			strings.Repeat("ä", failure.MaxText): true, strings.Repeat("x", failure.MaxText+1): false,
		} {
			var fields failure.Fields
			fields.CheckText("name", text)
			require.Equal(t, valid, len(fields) == 0, "%q", text)
		}
	})
}

func TestWith(t *testing.T) {
	t.Run("does not change the original", func(t *testing.T) {
		plain := failure.New(failure.NotFound, "No such user.")
		with := plain.With("user_id", 7).With("more", true)
		require.Empty(t, plain.Extensions)
		require.Equal(t, map[string]any{"user_id": 7, "more": true}, with.Extensions)
	})
}
