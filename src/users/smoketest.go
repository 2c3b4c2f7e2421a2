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

// unknownID is an id that no user will ever have.
const unknownID = 1 << 52

// SmokeTestConfig is what the release's test can be told.
type SmokeTestConfig struct {
	smoketest.Options
	URL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"Where the release answers."`
}

// SmokeTestProgram describes the release's test to a person who asks for help.
func SmokeTestProgram() settings.Program {
	return settings.Program{Name: "users test", About: "Checks by calls alone whether a release of users works."}
}

// smokeTest are the checks of one run.
type smokeTest struct {
	test *smoketest.Test
	api  smoketest.API
	user client.User
}

// RunSmokeTest says whether the release at config.URL works.
func RunSmokeTest(ctx context.Context, config SmokeTestConfig, stdout io.Writer) error {
	return smoketest.Run(ctx, stdout, config.Options, func(t *smoketest.Test) {
		c := &smokeTest{t, smoketest.NewAPI(config.URL), client.NewTestUser()}
		if !t.Await("users is healthy", c.api.Healthy(client.Service)) {
			return
		}
		if t.Check("a user is created", c.create) {
			t.Check("the user is read back", c.readBack)
			t.Check("the same e-mail address is refused", c.refuseDuplicate)
		}
		t.Check("an unknown user is not found", c.missUnknown)
		t.Check("metrics are answered", c.api.HasMetrics(client.Service))
	})
}

func (c *smokeTest) create(ctx context.Context) error {
	wanted := c.user
	answer := client.CreateTestUser(ctx, c.test, c.api, wanted)
	if err := answer.Expect(http.StatusCreated, &c.user); err != nil {
		return err
	}
	if c.user.Name != wanted.Name || c.user.Email != wanted.Email || !c.user.Active {
		return answer.Errorf("created another user than was asked for")
	}
	return nil
}

func (c *smokeTest) readBack(ctx context.Context) error {
	var read client.User
	answer := c.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/users/%d", c.user.ID)})
	if err := answer.Expect(http.StatusOK, &read); err != nil {
		return err
	}
	if read != c.user {
		return answer.Errorf("is not the user that was created")
	}
	return nil
}

func (c *smokeTest) refuseDuplicate(ctx context.Context) error {
	same := client.User{Name: c.user.Name, Email: strings.ToUpper(c.user.Email)}
	return client.CreateTestUser(ctx, c.test, c.api, same).Expect(http.StatusConflict, nil)
}

func (c *smokeTest) missUnknown(ctx context.Context) error {
	return c.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/users/%d", int64(unknownID))}).Expect(http.StatusNotFound, nil)
}
