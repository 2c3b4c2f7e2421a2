package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tandem/src/chassis/smoketest"
)

// NewTestUser is what a release test makes a user from: nobody else has its
// e-mail address.
func NewTestUser() User {
	return User{Name: "Release test", Email: "release-test-" + strings.ToLower(rand.Text()) + "@example.com"}
}

// CreateTestUser asks for a user on behalf of a release test. One that comes
// into being, wanted or not, is deactivated at the test's end.
func CreateTestUser(ctx context.Context, t *smoketest.Test, users smoketest.API, from User) smoketest.Response {
	answer := users.Do(ctx, smoketest.Request{
		Method: http.MethodPost, Path: "/users", Body: map[string]string{"name": from.Name, "email": from.Email},
	})
	var user User
	if answer.Expect(http.StatusCreated, &user) == nil {
		t.OnCleanup(fmt.Sprintf("user %d", user.ID), func(ctx context.Context) error { return deactivate(ctx, users, user.ID) })
	}
	return answer
}

func deactivate(ctx context.Context, users smoketest.API, id int64) error {
	var user User
	err := users.Do(ctx, smoketest.Request{
		Method: http.MethodPatch, Path: fmt.Sprintf("/users/%d", id), Body: map[string]bool{"active": false},
	}).Expect(http.StatusOK, &user)
	if err == nil && user.Active {
		err = errors.New("the user is still active")
	}
	return err
}
