// Package users is the users service. It stores the users who can place orders.
package users

import (
	"fmt"
	"net/mail"
	"time"
	"unicode/utf8"

	"tandem/src/chassis/failure"
	"tandem/src/users/client"
)

// User is a stored user.
type User struct {
	ID        int64
	Name      string
	Email     string    // unique regardless of case, see emailKey
	Active    bool      // whether orders can be placed for the user
	CreatedAt time.Time // UTC, in whole microseconds
}

// NewUser is a user to create.
type NewUser struct {
	Name  string
	Email string
}

// Changes holds the new values for a user. A nil value leaves the old one.
type Changes struct {
	Name   *string
	Email  *string
	Active *bool
}

// Filter selects the users of a list.
type Filter struct {
	Active *bool   // nil selects active and inactive users
	IDs    []int64 // nil selects all IDs
	After  int64   // selects IDs greater than this one
	Limit  int     // maximum number of users
}

// Validate returns the fields that are invalid.
func (u NewUser) Validate() failure.Fields {
	return Changes{Name: &u.Name, Email: &u.Email}.Validate()
}

// Validate returns the fields that are invalid.
func (c Changes) Validate() (invalid failure.Fields) {
	if c.Name != nil {
		invalid.CheckText("name", *c.Name)
	}
	if c.Email != nil && !isEmail(*c.Email) {
		invalid.Add("email", "must be an e-mail address of at most 254 characters, such as ada@example.com")
	}
	return invalid
}

// isEmail reports whether text is an e-mail address without a display name or
// comment (RFC 5322), of at most client.MaxEmail characters.
func isEmail(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text && utf8.RuneCountInString(text) <= client.MaxEmail
}

// userNotFound returns the failure for a user who does not exist. id is the int64
// in the request's path, or a string if the path contains no valid ID.
func userNotFound(id any) *failure.Error {
	return failure.New(failure.NotFound, fmt.Sprintf("There is no user %v.", id)).With("user_id", id)
}
