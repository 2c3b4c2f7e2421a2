// Package client is the client of the users service.
package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/health"
	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/web"
)

// Client calls the users service. Its methods return failure.Unavailable if the
// service does not respond, responds with an unexpected error, or sends a
// response that they cannot decode.
type Client struct{ httpClient *httpclient.Client }

// New returns a client of the service at config.BaseURL. The caller must close it.
func New(config httpclient.Config) (*Client, error) {
	config.Peer = ServiceName
	httpClient, err := httpclient.New(config)
	if err != nil {
		return nil, err
	}
	return &Client{httpClient}, nil
}

// Close stops the client's background work.
func (c *Client) Close() { c.httpClient.Close() }

// User returns the user with the given ID, active or not. It returns
// failure.NotFound if the user does not exist.
func (c *Client) User(ctx context.Context, id int64) (user User, err error) {
	err = c.get(ctx, "/users/{id}", "/users/"+strconv.FormatInt(id, 10), &user)
	return user, err
}

// Users returns the users with the given IDs, active or not, as a map from ID to
// user. Users who do not exist are not in the map. Users makes one call, so ids
// may contain at most 100 IDs.
func (c *Client) Users(ctx context.Context, ids []int64) (map[int64]User, error) {
	idTexts := make([]string, len(ids))
	for i, id := range ids {
		idTexts[i] = strconv.FormatInt(id, 10)
	}
	query := url.Values{"ids": {strings.Join(idTexts, ",")}, "limit": {strconv.Itoa(len(ids))}}
	var page Page
	if err := c.get(ctx, "/users", "/users?"+query.Encode(), &page); err != nil {
		return nil, err
	}
	users := make(map[int64]User, len(page.Users))
	for _, user := range page.Users {
		users[user.ID] = user
	}
	return users, nil
}

// Health returns the state of the service: health.Healthy, health.Unhealthy or
// health.Unreachable.
func (c *Client) Health(ctx context.Context) string {
	response, err := c.httpClient.Probe(ctx, "/health")
	if err != nil {
		return health.Unreachable
	}
	var report struct {
		Status  string `json:"status"`
		Service string `json:"service"`
	}
	if response.Status != http.StatusOK || json.Unmarshal(response.Body, &report) != nil ||
		report.Status != health.Healthy || report.Service != ServiceName {
		return health.Unhealthy
	}
	return health.Healthy
}

// get sends a GET request and decodes the response body into target. route is
// the route that path matches, such as /users/{id}, for telemetry.
func (c *Client) get(ctx context.Context, route, path string, target any) error {
	response, err := c.httpClient.Get(ctx, route, path)
	if err != nil {
		return unavailable(err)
	}
	switch web.Code(response.Status) {
	case "": // not an error status
		if err := json.Unmarshal(response.Body, target); err != nil {
			return unavailable(fmt.Errorf("decode the response to GET %s: %w", path, err))
		}
		return nil
	case failure.NotFound:
		// Only a 404 with the member user_id comes from the users service. Any other
		// 404 may come from a proxy and does not mean that the user does not exist.
		var problem struct {
			UserID *jsontext.Value `json:"user_id"`
		}
		if json.Unmarshal(response.Body, &problem) == nil && problem.UserID != nil {
			return failure.New(failure.NotFound, "There is no such user.")
		}
	default: // any other error status is unexpected
	}
	return unavailable(fmt.Errorf("GET %s: unexpected status %d", path, response.Status))
}

// unavailable returns a failure.Unavailable with err as its cause.
func unavailable(err error) error {
	return failure.New(failure.Unavailable, "The users service does not answer; try again shortly.").WithCause(err)
}
