// Package client is the client of the users service. The users service encodes
// its responses with the types of this package too, so that the service and its
// client always agree.
package client

import "time"

// Service is the name of the users service in responses, health reports, metrics
// and traces.
const Service = "users-service"

// MaxEmail is the maximum length of an e-mail address in characters. SMTP limits a
// path to 256 bytes, including its angle brackets (RFC 5321, section 4.5.3.1.3).
const MaxEmail = 254

// User is a user in a response body.
type User struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Active    bool      `json:"active"`
	CreatedAt time.Time `json:"created_at"`
}

// Page is the body of a response to GET /users.
type Page struct {
	Users      []User `json:"users"`
	Count      int    `json:"count"`
	Service    string `json:"service"`
	NextCursor string `json:"next_cursor,omitempty"`
}
