package client

import "time"

// ServiceName is the name of the users service in responses, health reports,
// metrics and traces.
const ServiceName = "users-service"

// MaxEmail is the maximum length of an e-mail address in characters. SMTP allows
// 256 bytes for an address in angle brackets (RFC 5321, section 4.5.3.1.3).
const MaxEmail = 254

// MaxIDs is the maximum number of IDs in the query parameter ids of GET /users.
const MaxIDs = 100

// User is a user in a response body. The users service encodes its responses with
// User and Page, so that the service and its client always agree.
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
