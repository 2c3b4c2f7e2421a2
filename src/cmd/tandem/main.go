// Command tandem runs both services in one process, for development. They store
// their data in SQLite files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/users"
)

// config are the settings of the program: those of the services that make sense
// for both in one process.
type config struct {
	settings.Common
	orders.UsersCalls
	UsersPort  int `default:"5001" min:"1" max:"65535" help:"TCP port of users."`
	OrdersPort int `default:"5002" min:"1" max:"65535" help:"TCP port of orders."`
}

func main() { os.Exit(lifecycle.Main(run)) }

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	var c config
	program := settings.Program{Name: "tandem", About: "The users and the orders service in one process, with SQLite."}
	if err := settings.Parse(program, &c, args, getenv, stdout); err != nil {
		return err
	}
	if err := c.validate(getenv); err != nil {
		return err
	}
	fmt.Fprintf(stdout, greeting, c.UsersPort, c.OrdersPort, c.OrdersPort, c.OrdersPort)
	services, ctx := errgroup.WithContext(ctx)
	usersConfig := users.Config{Service: settings.Service{Common: c.Common, Port: c.UsersPort}}
	ordersConfig := orders.Config{
		Service:    settings.Service{Common: c.Common, Port: c.OrdersPort},
		UsersURL:   settings.URL{URL: &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", c.UsersPort)}},
		UsersCalls: c.UsersCalls,
	}
	services.Go(func() error { return users.Run(ctx, usersConfig, getenv, stdout) })
	services.Go(func() error { return orders.Run(ctx, ordersConfig, getenv, stdout) })
	return services.Wait()
}

// validate returns an error for settings that have no effect or contradict each
// other.
func (c config) validate(getenv func(string) string) error {
	if getenv("DATABASE_URL") != "" {
		return errors.New("DATABASE_URL is set, but tandem uses SQLite only: unset DATABASE_URL, or run bin/users and bin/orders")
	}
	if c.UsersPort == c.OrdersPort {
		return fmt.Errorf("USERS_PORT and ORDERS_PORT are both %d: give each service its own port", c.UsersPort)
	}
	return nil
}

const greeting = `
The services users and orders are starting. Try:

  curl http://localhost:%d/users
  curl http://localhost:%d/orders/1/details
  curl http://localhost:%d/orders/stats
  curl http://localhost:%d/orders -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first' \
    -d '{"user_id": 1, "product": "Laptop", "quantity": 1, "price": 899.99}'

Press Ctrl-C to stop both.

`
