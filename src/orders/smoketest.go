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

// unknownID is an ID that no order and no user has.
const unknownID = 1 << 52

// SmokeTestConfig holds the settings of the smoke test.
type SmokeTestConfig struct {
	smoketest.Options
	URL      settings.URL `default:"http://127.0.0.1:5002" schemes:"http,https" like:"http://orders:5002" help:"URL of the orders service to test."`
	UsersURL settings.URL `default:"http://127.0.0.1:5001" schemes:"http,https" like:"http://users:5001" help:"URL of the users service that this orders service calls."`
}

// SmokeTestProgram describes the command "orders test" for its help text.
func SmokeTestProgram() settings.Program {
	return settings.Program{Name: "orders test", About: "Checks over HTTP that an installed release of orders works together with users."}
}

// smokeTest is one run of the smoke test.
type smokeTest struct {
	test   *smoketest.Test
	orders smoketest.API
	users  smoketest.API
	user   client.User   // the user to create; then the created user
	key    string        // the Idempotency-Key of the order
	order  orderResponse // the created order; zero before
}

// createOrderRequest is the body of a POST /orders request.
type createOrderRequest struct {
	UserID   int64         `json:"user_id"`
	Product  string        `json:"product"`
	Quantity int64         `json:"quantity"`
	Price    decimal.Cents `json:"price"`
}

// RunSmokeTest checks the release at config.URL and prints the result of each
// check to stdout. It returns an error that names the failed checks.
func RunSmokeTest(ctx context.Context, config SmokeTestConfig, stdout io.Writer) error {
	return smoketest.Run(ctx, stdout, config.Options, func(t *smoketest.Test) {
		s := &smokeTest{
			test: t, orders: smoketest.NewAPI(config.URL), users: smoketest.NewAPI(config.UsersURL),
			user: client.NewTestUser(), key: "release-test-" + rand.Text(),
		}
		if !t.Await("the users service is healthy", s.users.Healthy(client.ServiceName)) ||
			!t.Await("the orders service is healthy and reaches the users service", s.orders.Healthy(serviceName)) {
			return
		}
		if t.Check("a user is created", s.createUser) && t.Check("an order is created for the user", s.createOrder) {
			t.Check("the created order can be read", s.readOrder)
			t.Check("the order's details contain the user", s.readDetails)
			t.Check("a repeated request returns the same order", s.repeatCreateOrder)
		}
		t.Check("an order for an unknown user is rejected", s.createOrderForUnknownUser)
		t.Check("an unknown order is not found", s.readUnknownOrder)
		t.Check("metrics are served", s.orders.HasMetrics(serviceName))
	})
}

func (s *smokeTest) createUser(ctx context.Context) error {
	return client.CreateTestUser(ctx, s.test, s.users, s.user).Expect(http.StatusCreated, &s.user)
}

func (s *smokeTest) createOrder(ctx context.Context) error {
	var created createOrderResponse
	response := s.postOrder(ctx, s.user.ID, s.key)
	if err := response.Expect(http.StatusCreated, &created); err != nil {
		return err
	}
	s.order = created.Order
	if s.order.UserID != s.user.ID || created.UserInfo.Email != s.user.Email {
		return response.Errorf("created the order for another user")
	}
	return nil
}

// postOrder sends a POST /orders request. If the request creates an order,
// whether it should or not, the smoke test cancels the order at its end. A
// replay, which returns the ID of s.order, creates none.
func (s *smokeTest) postOrder(ctx context.Context, userID int64, key string) smoketest.Response {
	response := s.orders.Do(ctx, smoketest.Request{
		Method: http.MethodPost, Path: "/orders", IdempotencyKey: key,
		Body: createOrderRequest{UserID: userID, Product: "Release test", Quantity: 2, Price: 1999},
	})
	var created createOrderResponse
	if response.Expect(http.StatusCreated, &created) == nil && created.Order.ID != s.order.ID {
		s.test.OnCleanup(fmt.Sprintf("order %d", created.Order.ID), func(ctx context.Context) error {
			return s.cancelOrder(ctx, created.Order.ID)
		})
	}
	return response
}

func (s *smokeTest) cancelOrder(ctx context.Context, id int64) error {
	var order orderResponse
	err := s.orders.Do(ctx, smoketest.Request{
		Method: http.MethodPatch, Path: fmt.Sprintf("/orders/%d", id), Body: map[string]Status{"status": Cancelled},
	}).Expect(http.StatusOK, &order)
	if err == nil && order.Status != Cancelled {
		err = errors.New("the order is not cancelled")
	}
	return err
}

func (s *smokeTest) readOrder(ctx context.Context) error {
	var read orderResponse
	response := s.orders.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/orders/%d", s.order.ID)})
	if err := response.Expect(http.StatusOK, &read); err != nil {
		return err
	}
	if read != s.order {
		return response.Errorf("returned a different order from the one created")
	}
	return nil
}

func (s *smokeTest) readDetails(ctx context.Context) error {
	var details orderDetailsResponse
	response := s.orders.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/orders/%d/details", s.order.ID)})
	if err := response.Expect(http.StatusOK, &details); err != nil {
		return err
	}
	if details.Order != s.order || details.UserDetails == nil || *details.UserDetails != s.user {
		return response.Errorf("does not contain the order and its user")
	}
	return nil
}

func (s *smokeTest) repeatCreateOrder(ctx context.Context) error {
	var created createOrderResponse
	response := s.postOrder(ctx, s.user.ID, s.key)
	if err := response.Expect(http.StatusCreated, &created); err != nil {
		return err
	}
	if created.Order != s.order {
		return response.Errorf("created a second order")
	}
	return nil
}

func (s *smokeTest) createOrderForUnknownUser(ctx context.Context) error {
	return s.postOrder(ctx, unknownID, "").Expect(http.StatusBadRequest, nil)
}

func (s *smokeTest) readUnknownOrder(ctx context.Context) error {
	return s.orders.Do(ctx, smoketest.Request{Path: fmt.Sprintf("/orders/%d", int64(unknownID))}).Expect(http.StatusNotFound, nil)
}
