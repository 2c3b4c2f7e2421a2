package orders

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/settings"
	"tandem/src/chassis/smoketest"
	"tandem/src/users/client"
)

// unknownID is an id that no order and no user will ever have.
const unknownID = 1 << 52

// SmokeTestConfig is what the release's test can be told.
type SmokeTestConfig struct {
	smoketest.Options
	URL      settings.URL `default:"http://127.0.0.1:5002" schemes:"http,https" like:"http://orders:5002" help:"Where the release answers."`
	UsersURL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"Where the users service answers that the release asks."`
}

// SmokeTestProgram describes the release's test to a person who asks for help.
func SmokeTestProgram() settings.Program {
	return settings.Program{Name: "orders test", About: "Checks by calls alone whether a release of orders works, together with users."}
}

// smokeTest are the checks of one run.
type smokeTest struct {
	test       *smoketest.Test
	api, users smoketest.API
	user       client.User
	key        string // Idempotency-Key of the order
	order      orderAnswer
}

// smokeOrder is the body of POST /orders.
type smokeOrder struct {
	UserID   int64         `json:"user_id"`
	Product  string        `json:"product"`
	Quantity int64         `json:"quantity"`
	Price    decimal.Cents `json:"price"`
}

// RunSmokeTest says whether the release at config.URL works.
func RunSmokeTest(ctx context.Context, config SmokeTestConfig, stdout io.Writer) error {
	return smoketest.Run(ctx, stdout, config.Options, func(t *smoketest.Test) {
		c := &smokeTest{
			test: t, api: smoketest.NewAPI(config.URL), users: smoketest.NewAPI(config.UsersURL),
			user: client.NewTestUser(), key: "release-test-" + rand.Text(),
		}
		if !t.Await("users is healthy", c.users.Healthy(client.Service)) ||
			!t.Await("orders is healthy and reaches users", c.api.Healthy(serviceName)) {
			return
		}
		if t.Check("a user is created", c.createUser) && t.Check("an order is created for the user", c.create) {
			t.Check("the order is read back", c.readBack)
			t.Check("the order's details hold the user", c.readDetails)
			t.Check("the same order again is the same order", c.repeat)
		}
		t.Check("an order for an unknown user is refused", c.refuseUnknownUser)
		t.Check("an unknown order is not found", c.missUnknown)
		t.Check("metrics are answered", c.api.HasMetrics(serviceName))
	})
}

func (c *smokeTest) createUser(ctx context.Context) error {
	return client.CreateTestUser(ctx, c.test, c.users, c.user).Expect(http.StatusCreated, &c.user)
}

func (c *smokeTest) create(ctx context.Context) error {
	var placed placedAnswer
	answer := c.place(ctx, c.user.ID, c.key)
	if err := answer.Expect(http.StatusCreated, &placed); err != nil {
		return err
	}
	c.order = placed.Order
	if c.order.UserID != c.user.ID || placed.UserInfo.Email != c.user.Email {
		return answer.Errorf("placed the order for another user")
	}
	return nil
}

// place asks for an order. One that comes into being, wanted or not, is
// cancelled at the test's end.
func (c *smokeTest) place(ctx context.Context, userID int64, key string) smoketest.Response {
	answer := c.api.Do(ctx, smoketest.Request{
		Method: http.MethodPost, Path: "/orders", IdempotencyKey: key,
		Body: smokeOrder{UserID: userID, Product: "Release test", Quantity: 2, Price: 1999},
	})
	var placed placedAnswer
	if answer.Expect(http.StatusCreated, &placed) == nil && placed.Order.ID != c.order.ID {
		c.test.OnCleanup(fmt.Sprintf("order %d", placed.Order.ID), func(ctx context.Context) error { return c.cancel(ctx, placed.Order.ID) })
	}
	return answer
}

func (c *smokeTest) cancel(ctx context.Context, id int64) error {
	var order orderAnswer
	err := c.api.Do(ctx, smoketest.Request{
		Method: http.MethodPatch, Path: fmt.Sprintf("/orders/%d", id), Body: map[string]Status{"status": Cancelled},
	}).Expect(http.StatusOK, &order)
	if err == nil && order.Status != Cancelled {
		err = errors.New("the order is not cancelled")
	}
	return err
}

func (c *smokeTest) readBack(ctx context.Context) error {
	var read orderAnswer
	answer := c.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/orders/%d", c.order.ID)})
	if err := answer.Expect(http.StatusOK, &read); err != nil {
		return err
	}
	if read != c.order {
		return answer.Errorf("is not the order that was created")
	}
	return nil
}

func (c *smokeTest) readDetails(ctx context.Context) error {
	var details detailsAnswer
	answer := c.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/orders/%d/details", c.order.ID)})
	if err := answer.Expect(http.StatusOK, &details); err != nil {
		return err
	}
	if details.Order != c.order || details.UserDetails == nil || *details.UserDetails != c.user {
		return answer.Errorf("does not hold the order and its user")
	}
	return nil
}

func (c *smokeTest) repeat(ctx context.Context) error {
	var placed placedAnswer
	answer := c.place(ctx, c.user.ID, c.key)
	if err := answer.Expect(http.StatusCreated, &placed); err != nil {
		return err
	}
	if placed.Order != c.order {
		return answer.Errorf("placed another order")
	}
	return nil
}

func (c *smokeTest) refuseUnknownUser(ctx context.Context) error {
	return c.place(ctx, unknownID, "").Expect(http.StatusBadRequest, nil)
}

func (c *smokeTest) missUnknown(ctx context.Context) error {
	return c.api.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/orders/%d", int64(unknownID))}).Expect(http.StatusNotFound, nil)
}
