// Package client is how other services ask users. Its types are the wire form
// that the users service itself answers with, so the two cannot drift.
package client

import "time"

// Service is the name of the users service on the wire.
const Service = "users-service"

// User is a user as the service answers it.
type User struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Active    bool      `json:"active"`
	CreatedAt time.Time `json:"created_at"`
}

// Page is one page of a list of users.
type Page struct {
	Users      []User `json:"users"`
	Count      int    `json:"count"`
	Service    string `json:"service"`
	NextCursor string `json:"next_cursor,omitempty"`
}
