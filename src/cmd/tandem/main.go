// Command tandem runs both services in one process, for development. They store
// their data in SQLite files.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/users"
)

// config are the settings of the program: all those of the services but the ones
// that it sets itself, because they make no sense for both in one process.
type config struct {
	settings.Common
	Users      users.Settings  `embed:""`
	Orders     orders.Settings `embed:""`
	ListenHost string          `default:"127.0.0.1" help:"Address to listen on; 0.0.0.0 or :: is all addresses."`
	UsersPort  int             `default:"5001" min:"1" max:"65535" help:"TCP port of users."`
	OrdersPort int             `default:"5002" min:"1" max:"65535" help:"TCP port of orders."`
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
	onReady := c.greetAfter(2, stdout)
	services, ctx := errgroup.WithContext(ctx)
	services.Go(func() error {
		return users.Run(ctx, users.Config{Service: c.service("USERS_PORT", c.UsersPort, onReady), Settings: c.Users}, getenv, stdout)
	})
	services.Go(func() error {
		ordersConfig := orders.Config{
			Service:  c.service("ORDERS_PORT", c.OrdersPort, onReady),
			UsersURL: settings.URL{URL: &url.URL{Scheme: "http", Host: c.address("127.0.0.1", c.UsersPort)}},
			Settings: c.Orders,
		}
		return orders.Run(ctx, ordersConfig, getenv, stdout)
	})
	return services.Wait()
}

// service returns the settings of one of the services.
func (c config) service(portVariable string, port int, onReady func()) settings.Service {
	return settings.Service{Common: c.Common, ListenHost: c.ListenHost, Port: port, PortVariable: portVariable, OnReady: onReady}
}

// address returns a host and port by which this machine reaches a service. The
// host is loopback if the services listen on it, perhaps among others.
func (c config) address(loopback string, port int) string {
	switch c.ListenHost {
	case "", "localhost", "127.0.0.1", "0.0.0.0", "::":
		return net.JoinHostPort(loopback, strconv.Itoa(port))
	default:
		return net.JoinHostPort(c.ListenHost, strconv.Itoa(port))
	}
}

// validate returns an error for settings that have no effect or contradict each
// other.
func (c config) validate(getenv func(string) string) error {
	for _, refused := range []struct{ variable, instead string }{
		{"DATABASE_URL", "tandem uses SQLite only: unset DATABASE_URL, or run bin/users and bin/orders"},
		{"DATABASE_URL_FILE", "tandem uses SQLite only: unset DATABASE_URL_FILE, or run bin/users and bin/orders"},
		{"PORT", "tandem has two ports: unset PORT, and set USERS_PORT and ORDERS_PORT"},
		{"USERS_URL", "tandem runs users itself: unset USERS_URL, or run bin/orders"},
	} {
		if getenv(refused.variable) != "" {
			return settings.Usagef("%s is set, but %s", refused.variable, refused.instead)
		}
	}
	if c.UsersPort == c.OrdersPort {
		return settings.Usagef("USERS_PORT and ORDERS_PORT are both %d: give each service its own port", c.UsersPort)
	}
	return nil
}

// greetAfter returns a function that prints the greeting when it is called for
// the n-th time.
func (c config) greetAfter(n int32, stdout io.Writer) func() {
	var calls atomic.Int32
	return func() {
		if calls.Add(1) == n {
			u, o := c.address("localhost", c.UsersPort), c.address("localhost", c.OrdersPort)
			fmt.Fprintf(stdout, greeting, u, o, u, o, o)
		}
	}
}

const greeting = `
Ready: users at http://%s, orders at http://%s. Open them in a browser, or try:

  curl http://%s/users
  curl http://%s/orders/1/details
  curl http://%s/orders -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first' \
    -d '{"user_id": 1, "product": "Laptop", "quantity": 1, "price": 899.99}'

Press Ctrl-C to stop both.

`
