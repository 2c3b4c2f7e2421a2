// Package client is the client of the users service.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/health"
	"tandem/src/chassis/httpclient"
	"tandem/src/chassis/web"
)

// Longest response bodies, in bytes. A user has up to 6 kB, with each character
// escaped as two surrogates.
const (
	maxUserBody  = 16 << 10
	maxUsersBody = 1 << 20 // for MaxIDs users
)

// Client calls the users service. Its methods return failure.Unavailable if the
// service does not respond, or if the response is not what they asked for: it
// cannot be decoded, is too long, lacks a member or has another user.
type Client struct {
	httpClient *httpclient.Client
	sharing    *sharing
}

// New returns a client of the service at config.BaseURL. The caller must close it.
func New(config httpclient.Config) (*Client, error) {
	config.Peer = ServiceName
	httpClient, err := httpclient.New(config)
	if err != nil {
		return nil, err
	}
	c := &Client{httpClient: httpClient}
	c.sharing = newSharing(c, config)
	return c, nil
}

// Close stops the client's background work. It must not be called before the last
// method has returned.
func (c *Client) Close() {
	c.sharing.calls.Wait()
	c.httpClient.Close()
}

// User returns the user with that ID, active or not. Its error is
// failure.NotFound if the user does not exist. Concurrent look-ups share calls, but
// the user is never older than the call of User.
func (c *Client) User(ctx context.Context, id int64) (User, error) { return c.sharing.user(ctx, id) }

// getUser is User in a call by itself.
func (c *Client) getUser(ctx context.Context, id int64) (user User, err error) {
	body, err := c.get(ctx, "/users/{id}", "/users/"+strconv.FormatInt(id, 10), maxUserBody)
	if status, ok := errors.AsType[statusError](err); ok && status.isNotFound(id) {
		return User{}, notFound()
	}
	if err != nil {
		return User{}, unavailable(err)
	}
	var received receivedUser
	if err = json.Unmarshal(body, &received); err == nil {
		user, err = received.check([]int64{id})
	}
	if err != nil {
		return User{}, unavailable(fmt.Errorf("the response to GET /users/%d: %w", id, err))
	}
	return user, nil
}

// Users returns the users with those IDs, active or not, by ID. Users who do not
// exist are not in the result. It makes one call, for at most MaxIDs IDs.
func (c *Client) Users(ctx context.Context, ids []int64) (map[int64]User, error) {
	idTexts := make([]string, len(ids))
	for i, id := range ids {
		idTexts[i] = strconv.FormatInt(id, 10)
	}
	query := url.Values{"ids": {strings.Join(idTexts, ",")}, "limit": {strconv.Itoa(len(ids))}}
	body, err := c.get(ctx, "/users", "/users?"+query.Encode(), maxUsersBody)
	if err != nil {
		return nil, unavailable(err)
	}
	users, err := decodeUsers(body, ids)
	if err != nil {
		return nil, unavailable(fmt.Errorf("the response to GET /users: %w", err))
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

// get makes a GET request and returns the body of a successful response, of at most
// maxBody bytes. The error is a statusError for any other response. route is the
// template of path, for telemetry.
func (c *Client) get(ctx context.Context, route, path string, maxBody int64) ([]byte, error) {
	response, err := c.httpClient.GetUpTo(ctx, route, path, maxBody)
	if err != nil {
		return nil, err
	}
	if response.Status != http.StatusOK {
		return nil, statusError{route, response.Status, response.Body}
	}
	return response.Body, nil
}

// statusError is the error of a response that is not successful.
type statusError struct {
	route  string
	status int
	body   []byte
}

func (e statusError) Error() string {
	return fmt.Sprintf("GET %s: unexpected status %d", e.route, e.status)
}

// isNotFound reports whether the response is that of the users service to a request
// for a user who does not exist: a 404 with the member user_id. Any other 404 may
// come from a proxy and does not mean that the user does not exist.
func (e statusError) isNotFound(id int64) bool {
	var problem struct {
		UserID *int64 `json:"user_id"`
	}
	return web.Code(e.status) == failure.NotFound && json.Unmarshal(e.body, &problem) == nil && problem.UserID != nil && *problem.UserID == id
}

func notFound() error { return failure.New(failure.NotFound, "There is no such user.") }

func unavailable(err error) error {
	return failure.New(failure.Unavailable, "The users service does not answer; try again shortly.").WithCause(err)
}
