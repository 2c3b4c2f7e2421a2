package client

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"tandem/src/chassis/failure"
)

// receivedUser is a user in a response that is not checked yet. A member that is
// missing or null is nil, or the zero value where that is not valid either.
type receivedUser struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Active    *bool     `json:"active"`
	CreatedAt time.Time `json:"created_at"`
}

// check returns the user, or an error unless it is one of those asked for and has
// all members, within the bounds of the contract.
func (r receivedUser) check(ids []int64) (User, error) {
	var invalid failure.Fields
	if !slices.Contains(ids, r.ID) {
		invalid.Add("id", "is not one that was asked for")
	}
	invalid.CheckText("name", r.Name)
	if length := utf8.RuneCountInString(r.Email); length < 1 || length > MaxEmail {
		invalid.Add("email", "must be 1 to 254 characters")
	}
	if r.Active == nil {
		invalid.Add("active", "is required")
	}
	if r.CreatedAt.IsZero() {
		invalid.Add("created_at", "is required")
	}
	if err := invalid.Err(); err != nil {
		return User{}, err
	}
	return User{ID: r.ID, Name: r.Name, Email: r.Email, Active: *r.Active, CreatedAt: r.CreatedAt}, nil
}

// decodeUsers decodes the response to GET /users?ids=… and returns its users by ID.
// Users who are not in a complete response do not exist.
func decodeUsers(body []byte, ids []int64) (map[int64]User, error) {
	var page struct {
		Users      []receivedUser `json:"users"`
		NextCursor string         `json:"next_cursor"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	if page.Users == nil {
		return nil, errors.New("users is required")
	}
	if page.NextCursor != "" {
		return nil, errors.New("there are more users than were asked for")
	}
	users := make(map[int64]User, len(page.Users))
	for _, received := range page.Users {
		user, err := received.check(ids)
		if err != nil {
			return nil, err
		}
		if _, twice := users[user.ID]; twice {
			return nil, fmt.Errorf("user %d is there twice", user.ID)
		}
		users[user.ID] = user
	}
	return users, nil
}
