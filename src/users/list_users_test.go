package users_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

// cursorAfter2 is the next_cursor of a page whose last ID is 2.
const cursorAfter2 = "YWZ0ZXI6Mg"

func TestListUsers(t *testing.T) {
	testService(t, "returns the users that the query selects", func(t *testing.T, api servicetest.API) {
		tests := map[string]string{
			"":                                     "1 3 5 6 7",
			"?active=true":                         "1 3 5 6 7",
			"?active=false":                        "2 4",
			"?active=all":                          "1 2 3 4 5 6 7",
			"?ids=7,2,2,99":                        "2 7",
			"?ids=7,2&active=true":                 "7",
			"?ids=7,2&active=false":                "2",
			"?limit=2":                             "1 3",
			"?ids=1,2,3&limit=2":                   "1 2",
			"?unknown=x&active=false":              "2 4",
			"?ids=9223372036854775807":             "",
			"?active=false&cursor=" + cursorAfter2: "4",
		}
		createSevenUsers(t, api)
		for query, want := range tests {
			require.Equal(t, want, strings.Join(listedIDs(t, api.Get(t, "/users"+query)), " "), query)
		}
		metrics := api.Get(t, "/metrics").Text
		require.Contains(t, metrics, "\nusers_ids_per_request_sum 12\n")
		require.Contains(t, metrics, "\nusers_ids_per_request_count 5\n")
	})

	testService(t, "returns each user on exactly one page", func(t *testing.T, api servicetest.API) {
		createSevenUsers(t, api)
		var ids []string
		path := "/users?active=all&limit=3"
		for pages := 1; ; pages++ {
			response := api.Get(t, path)
			ids = append(ids, listedIDs(t, response)...)
			next, hasNext := response.JSON["next_cursor"]
			if !hasNext {
				require.Equal(t, 3, pages)
				break
			}
			path = "/users?active=all&limit=3&cursor=" + next.(string)
		}
		require.Equal(t, "1 2 3 4 5 6 7", strings.Join(ids, " "))
	})

	testService(t, "names all invalid query values", func(t *testing.T, api servicetest.API) {
		tests := map[string]string{
			"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "limit=": "limit", "limit=1&limit=2": "limit",
			"active=maybe": "active", "active=": "active",
			"ids=": "ids", "ids=1,x": "ids", "ids=-1": "ids", "ids=0": "ids", "ids=1,,2": "ids",
			"ids=" + strings.TrimSuffix(strings.Repeat("1,", 101), ","): "ids",
			"cursor=nope": "cursor", "cursor=": "cursor", "cursor=YWZ0ZXI6LTE": "cursor",
			"active=%zz": "active",
		}
		for query, want := range tests {
			require.Equal(t, []string{want}, api.Get(t, "/users?"+query).Require(t, 400).Fields(), query)
		}
		require.ElementsMatch(t, []string{"limit", "active"}, api.Get(t, "/users?limit=0&active=x").Require(t, 400).Fields())
	})
}

// createSevenUsers creates the users 1 to 7, of which 2 and 4 are inactive.
func createSevenUsers(t *testing.T, api servicetest.API) {
	t.Helper()
	for i := 1; i <= 7; i++ {
		api.Post(t, "/users", userJSON(fmt.Sprintf("User %d", i), fmt.Sprintf("u%d@example.com", i))).Require(t, 201)
	}
	api.Patch(t, "/users/2", `{"active": false}`).Require(t, 200)
	api.Patch(t, "/users/4", `{"active": false}`).Require(t, 200)
}

// listedIDs returns the IDs of the users in a response to GET /users.
func listedIDs(t *testing.T, response servicetest.Response) (ids []string) {
	t.Helper()
	response.Require(t, 200)
	for i := range response.JSON["users"].([]any) {
		ids = append(ids, response.At(t, "users", i, "id"))
	}
	require.Equal(t, fmt.Sprint(len(ids)), response.At(t, "count"))
	return ids
}
