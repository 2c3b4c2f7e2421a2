package users_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

// seven creates users 1 to 7, of which 2 and 4 are inactive.
func seven(t *testing.T, api servicetest.API) {
	t.Helper()
	for i := 1; i <= 7; i++ {
		api.Post(t, "/users", fmt.Sprintf(`{"name": "User %d", "email": "u%d@example.com"}`, i, i)).Require(t, 201)
	}
	api.Patch(t, "/users/2", `{"active": false}`).Require(t, 200)
	api.Patch(t, "/users/4", `{"active": false}`).Require(t, 200)
}

func ids(t *testing.T, answer servicetest.Response) (found []string) {
	t.Helper()
	answer.Require(t, 200)
	for i := range answer.JSON["users"].([]any) {
		found = append(found, answer.At(t, "users", i, "id"))
	}
	require.Equal(t, fmt.Sprint(len(found)), answer.At(t, "count"))
	return found
}

func TestTheListHoldsWhatTheQueryChooses(t *testing.T) {
	tests := map[string]string{
		"":                            "1 3 5 6 7",
		"?active=true":                "1 3 5 6 7",
		"?active=false":               "2 4",
		"?active=all":                 "1 2 3 4 5 6 7",
		"?ids=7,2,2,99":               "2 7",
		"?ids=7,2&active=true":        "7",
		"?ids=7,2&active=false":       "2",
		"?limit=2":                    "1 3",
		"?ids=1,2,3&limit=2":          "1 2",
		"?unknown=x&active=false":     "2 4",
		"?ids=9223372036854775807":    "",
		"?active=false&cursor=" + at2: "4",
	}
	onBoth(t, func(t *testing.T, api servicetest.API) {
		seven(t, api)
		for query, want := range tests {
			require.Equal(t, want, strings.Join(ids(t, api.Get(t, "/users"+query)), " "), query)
		}
	})
}

// at2 is the cursor behind id 2.
const at2 = "YWZ0ZXI6Mg"

func TestPagesFollowEachOtherWithoutGapOrRepetition(t *testing.T) {
	onBoth(t, func(t *testing.T, api servicetest.API) {
		seven(t, api)
		var all []string
		path := "/users?active=all&limit=3"
		for pages := 1; ; pages++ {
			answer := api.Get(t, path)
			all = append(all, ids(t, answer)...)
			next, more := answer.JSON["next_cursor"]
			if !more {
				require.Equal(t, 3, pages)
				break
			}
			path = "/users?active=all&limit=3&cursor=" + next.(string)
		}
		require.Equal(t, "1 2 3 4 5 6 7", strings.Join(all, " "))
	})
}

func TestAQueryValueThatCannotBeMeantIsNamed(t *testing.T) {
	tests := map[string]string{
		"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "limit=": "limit", "limit=1&limit=2": "limit",
		"active=maybe": "active", "active=": "active",
		"ids=": "ids", "ids=1,x": "ids", "ids=-1": "ids", "ids=0": "ids", "ids=1,,2": "ids",
		"ids=" + strings.TrimSuffix(strings.Repeat("1,", 101), ","): "ids",
		"cursor=nope": "cursor", "cursor=": "cursor", "cursor=YWZ0ZXI6LTE": "cursor",
		"active=%zz": "query",
	}
	onBoth(t, func(t *testing.T, api servicetest.API) {
		for query, want := range tests {
			require.Equal(t, []string{want}, api.Get(t, "/users?"+query).Require(t, 400).Fields(), query)
		}
		require.ElementsMatch(t, []string{"limit", "active"}, api.Get(t, "/users?limit=0&active=x").Require(t, 400).Fields())
	})
}
