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

// Client asks the users service. Where it has no answer, or none that can be
// understood, its methods give failure.Unavailable.
type Client struct{ http *httpclient.Client }

// New returns a client of the service at config.BaseURL. It must be closed.
func New(config httpclient.Config) (*Client, error) {
	config.Peer = Service
	http, err := httpclient.New(config)
	if err != nil {
		return nil, err
	}
	return &Client{http}, nil
}

// Close ends the client's background work.
func (c *Client) Close() { c.http.Close() }

// User returns the user with that id, active or not. The failure is NotFound
// where there is none.
func (c *Client) User(ctx context.Context, id int64) (user User, err error) {
	err = c.get(ctx, "/users/{id}", "/users/"+strconv.FormatInt(id, 10), &user)
	return user, err
}

// Users returns those users that exist, active or not, by id, in one call; at
// most 100 ids.
func (c *Client) Users(ctx context.Context, ids []int64) (map[int64]User, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	query := url.Values{"ids": {strings.Join(texts, ",")}, "limit": {strconv.Itoa(len(ids))}}
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

// Health is what the service says of itself: one of package health's states.
func (c *Client) Health(ctx context.Context) string {
	response, err := c.http.Probe(ctx, "/health")
	if err != nil {
		return health.Unreachable
	}
	var report struct {
		Status  string `json:"status"`
		Service string `json:"service"`
	}
	if response.Status != http.StatusOK || json.Unmarshal(response.Body, &report) != nil ||
		report.Status != health.Healthy || report.Service != Service {
		return health.Unhealthy
	}
	return health.Healthy
}

func (c *Client) get(ctx context.Context, route, path string, into any) error {
	response, err := c.http.Get(ctx, route, path)
	if err != nil {
		return away(err)
	}
	switch web.Code(response.Status) {
	case "":
		if err := json.Unmarshal(response.Body, into); err != nil {
			return away(fmt.Errorf("read the answer to GET %s: %w", path, err))
		}
		return nil
	case failure.NotFound:
		// A 404 of something else in between says nothing of the user.
		var problem struct {
			UserID *jsontext.Value `json:"user_id"`
		}
		if json.Unmarshal(response.Body, &problem) == nil && problem.UserID != nil {
			return failure.New(failure.NotFound, "There is no such user.")
		}
	default:
	}
	return away(fmt.Errorf("GET %s was answered %d", path, response.Status))
}

func away(err error) error {
	return failure.New(failure.Unavailable, "The users service does not answer; try again shortly.").WithCause(err)
}
