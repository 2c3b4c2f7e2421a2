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

// CreateTestUser sends a POST /users request for a smoke test. If it creates a
// user, expected or not, the user is deactivated at the end of the smoke test.
func CreateTestUser(ctx context.Context, t *smoketest.Test, api smoketest.API, requested User) smoketest.Answer {
	response := api.Do(ctx, smoketest.Call{
		Method: http.MethodPost, Path: "/users", Body: map[string]string{"name": requested.Name, "email": requested.Email},
	})
	var user User
	if response.Want(http.StatusCreated, &user) == nil {
		t.Made(fmt.Sprintf("user %d", user.ID), func(ctx context.Context) error { return deactivate(ctx, api, user.ID) })
	}
	return response
}

func deactivate(ctx context.Context, api smoketest.API, id int64) error {
	var user User
	err := api.Do(ctx, smoketest.Call{
		Method: http.MethodPatch, Path: fmt.Sprintf("/users/%d", id), Body: map[string]bool{"active": false},
	}).Want(http.StatusOK, &user)
	if err == nil && user.Active {
		err = errors.New("the user is still active")
	}
	return err
}
