package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

func TestGetUser(t *testing.T) {
	testService(t, "responds 404 with the ID of an unknown user", func(t *testing.T, api servicetest.API) {
		tests := map[string]string{
			"/users/99": "99", "/users/0": "0", "/users/-1": "-1",
			"/users/9223372036854775808": `"9223372036854775808"`, "/users/abc": `"abc"`, "/users/1%27": `"1'"`,
		}
		for path, want := range tests {
			require.Equal(t, want, api.Get(t, path).Require(t, 404).At(t, "user_id"), path)
		}
	})
}
