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

// NewTestUser returns a user for a smoke test to create. Its e-mail address is
// random, so that no other user has it.
func NewTestUser() User {
	return User{Name: "Release test", Email: "release-test-" + strings.ToLower(rand.Text()) + "@example.com"}
}

// CreateTestUser sends a POST /users request for a smoke test. If the request
// creates a user, whether it should or not, the smoke test deactivates the user
// at its end.
func CreateTestUser(ctx context.Context, t *smoketest.Test, api smoketest.API, requested User) smoketest.Response {
	response := api.Do(ctx, smoketest.Request{
		Method: http.MethodPost, Path: "/users", Body: map[string]string{"name": requested.Name, "email": requested.Email},
	})
	var user User
	if response.Expect(http.StatusCreated, &user) == nil {
		t.OnCleanup(fmt.Sprintf("user %d", user.ID), func(ctx context.Context) error { return deactivate(ctx, api, user.ID) })
	}
	return response
}

func deactivate(ctx context.Context, api smoketest.API, id int64) error {
	var user User
	err := api.Do(ctx, smoketest.Request{
		Method: http.MethodPatch, Path: fmt.Sprintf("/users/%d", id), Body: map[string]bool{"active": false},
	}).Expect(http.StatusOK, &user)
	if err == nil && user.Active {
		err = errors.New("the user is still active")
	}
	return err
}
