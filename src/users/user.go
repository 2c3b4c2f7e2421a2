// Package users is the users service: who can place orders.
package users

import (
	"fmt"
	"net/mail"
	"time"
	"unicode/utf8"

	"tandem/src/chassis/failure"
)

// User is somebody for whom orders can be placed while Active.
type User struct {
	ID        int64
	Name      string
	Email     string // unique regardless of case
	Active    bool
	CreatedAt time.Time // UTC, in whole microseconds
}

// NewUser is what a user is created from.
type NewUser struct {
	Name  string
	Email string
}

// Changes are the members of a user to change; nil leaves one as it is.
type Changes struct {
	Name   *string
	Email  *string
	Active *bool
}

// Filter chooses users of a list.
type Filter struct {
	Active *bool   // nil: both
	IDs    []int64 // nil: all
	After  int64   // only ids greater than this
	Limit  int
}

// maxEmail is the greatest length of an address, in characters, that SMTP can carry
// (RFC 5321, section 4.5.3.1.3).
const maxEmail = 254

// Validate names each member that breaks a rule.
func (u NewUser) Validate() failure.Fields {
	return Changes{Name: &u.Name, Email: &u.Email}.Validate()
}

// Validate names each member that breaks a rule.
func (c Changes) Validate() (broken failure.Fields) {
	if c.Name != nil {
		broken.CheckText("name", *c.Name)
	}
	if c.Email != nil && !isEmail(*c.Email) {
		broken.Add("email", "must be an e-mail address of at most 254 characters, such as ada@example.com")
	}
	return broken
}

// isEmail reports whether text is an address and nothing else (RFC 5322).
func isEmail(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text && utf8.RuneCountInString(text) <= maxEmail
}

// noUser is the failure that no user has that id.
func noUser(id any) *failure.Error {
	return failure.New(failure.NotFound, fmt.Sprintf("There is no user %v.", id)).With("user_id", id)
}
