package users

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tandem/src/chassis/settings"
	"tandem/src/chassis/smoketest"
	"tandem/src/users/client"
)

// unknownID is an ID that no user has.
const unknownID = 1 << 52

// SmokeTestConfig holds the settings of the smoke test.
type SmokeTestConfig struct {
	smoketest.Options
	URL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"URL of the users service to test."`
}

// SmokeTestProgram describes the command "users test" for its help text.
func SmokeTestProgram() settings.Program {
	return settings.Program{Name: "users test", About: "Checks over HTTP that an installed release of users works."}
}

// smokeTest is one run of the smoke test.
type smokeTest struct {
	test *smoketest.Test
	api  smoketest.API
	user client.User // the user to create; then the created user
}

// RunSmokeTest checks the release at config.URL and prints the result of each
// check to stdout. It returns an error that names the failed checks.
func RunSmokeTest(ctx context.Context, config SmokeTestConfig, stdout io.Writer) error {
	return smoketest.Run(ctx, stdout, config.Options, func(t *smoketest.Test) {
		s := &smokeTest{t, smoketest.NewAPI(config.URL), client.NewTestUser()}
		if !t.Await("the users service is healthy", s.api.Healthy(client.ServiceName)) {
			return
		}
		if t.Check("a user is created", s.createUser) {
			t.Check("the created user can be read", s.readUser)
			t.Check("a second user with the same e-mail address is rejected", s.createDuplicate)
		}
		t.Check("an unknown user is not found", s.readUnknownUser)
		t.Check("metrics are served", s.api.HasMetrics(client.ServiceName))
	})
}

func (s *smokeTest) createUser(ctx context.Context) error {
	requested := s.user
	response := client.CreateTestUser(ctx, s.test, s.api, requested)
	if err := response.Expect(http.StatusCreated, &s.user); err != nil {
		return err
	}
	if s.user.Name != requested.Name || s.user.Email != requested.Email || !s.user.Active {
		return response.Errorf("created a different user from the one requested")
	}
	return nil
}

func (s *smokeTest) readUser(ctx context.Context) error {
	var read client.User
	response := s.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/users/%d", s.user.ID)})
	if err := response.Expect(http.StatusOK, &read); err != nil {
		return err
	}
	if read != s.user {
		return response.Errorf("returned a different user from the one created")
	}
	return nil
}

// createDuplicate repeats the e-mail address in upper case, because addresses are
// unique regardless of case.
func (s *smokeTest) createDuplicate(ctx context.Context) error {
	same := client.User{Name: s.user.Name, Email: strings.ToUpper(s.user.Email)}
	return client.CreateTestUser(ctx, s.test, s.api, same).Expect(http.StatusConflict, nil)
}

func (s *smokeTest) readUnknownUser(ctx context.Context) error {
	return s.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/users/%d", int64(unknownID))}).Expect(http.StatusNotFound, nil)
}
