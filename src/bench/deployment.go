package main

import (
	"context"
	"slices"
	"time"
)

// deployment says how to start both services and on which storage.
type deployment struct {
	revision                    revision // whose migrations create the schema
	usersCommand, ordersCommand []string
	users, orders               storage
	env                         []string
	cpus                        cpuSet
	profilePrefix               string // of the names of profiles; empty for no profiles
}

// services are both services, running.
type services struct {
	users, orders *process
}

// start starts both services. They run until stop is called or ctx ends.
func (d deployment) start(ctx context.Context) (*services, error) {
	users, err := startProcess(ctx, d.cpus, d.usersCommand, d.environment("users", d.users.env()))
	if err != nil {
		return nil, err
	}
	orders, err := startProcess(ctx, d.cpus, d.ordersCommand, d.environment("orders", d.orders.env(), "USERS_URL=http://"+users.address))
	if err != nil {
		users.stop()
		return nil, err
	}
	return &services{users: users, orders: orders}, nil
}

func (d deployment) environment(service string, more ...string) []string {
	if d.profilePrefix != "" {
		more = append(more, "PROFILE="+d.profilePrefix+"-"+service)
	}
	return slices.Concat(d.env, more)
}

// createSchema creates the tables of both services in empty storage. The
// services of the revision do it when they start, so that each revision has
// the schema that it expects.
func (d deployment) createSchema(ctx context.Context) error {
	plain := d.revision.deployment(nil)
	plain.users, plain.orders = d.users, d.orders
	s, err := plain.start(ctx)
	if err != nil {
		return err
	}
	s.stop()
	return nil
}

func (s *services) stop() {
	s.orders.stop()
	s.users.stop()
}

func stopAll(all []*services) {
	for _, s := range all {
		s.stop()
	}
}

// cpuTime returns the processor time that both services have used so far.
func (s *services) cpuTime() time.Duration {
	return s.users.cpuTime() + s.orders.cpuTime()
}
