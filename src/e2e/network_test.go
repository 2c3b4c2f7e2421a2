//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// cell is one of the matrix: who may reach what.
type cell struct {
	from    shell
	who     string
	to      target
	allowed bool
}

// network tries the NetworkPolicies cell by cell, and once more without them.
func network(t *testing.T, n namespace) {
	var cells []cell
	must(t, "there is somebody for each row of the network's matrix", func() (err error) {
		cells, err = matrix(n, newNamespace(t, "stranger"))
		return err
	})
	for _, c := range cells {
		verb := map[bool]string{true: " reaches ", false: " does not reach "}[c.allowed]
		check(t, c.who+verb+c.to.name, func() error {
			if c.allowed {
				return eventually(10*time.Second, func() error { return c.from.reaches(c.to, true) })
			}
			return c.from.reaches(c.to, false)
		})
	}
	check(t, "without the NetworkPolicies, each of them reaches each", func() error {
		if err := n.kubectl("delete", "networkpolicy", "--all").err; err != nil {
			return err
		}
		var steps []func() error
		for _, c := range cells {
			steps = append(steps, func() error {
				return eventually(20*time.Second, func() error { return c.from.reaches(c.to, true) })
			})
		}
		return atOnce(steps...)
	})
}

// targets are what the matrix' columns stand for.
type targets struct{ users, orders, postgres, stranger target }

// matrix has the real pods of both services in it, and others by their side.
func matrix(n, strangers namespace) ([]cell, error) {
	users, err := n.pods("users")
	if err != nil {
		return nil, err
	}
	orders, err := n.pods("orders")
	if err != nil {
		return nil, err
	}
	shells, err := callers(n, strangers, users[0].Metadata.Name, orders[0].Metadata.Name)
	if err != nil {
		return nil, err
	}
	postgres, err := n.ip("postgres-0")
	stranger, err2 := strangers.ip("stranger")
	// The second pod of each: the first is among the callers.
	to := targets{
		target{"users", users[1].Status.PodIP, 5001}, target{"orders", orders[1].Status.PodIP, 5002},
		target{"PostgreSQL", postgres, 5432}, target{"a stranger", stranger, listenPort},
	}
	return rows(shells, to), errors.Join(err, err2)
}

func rows(from map[string]shell, to targets) (cells []cell) {
	row := func(who string, users, orders bool) {
		cells = append(cells, cell{from[who], who, to.users, users}, cell{from[who], who, to.orders, orders})
	}
	leaves := func(who string, postgres bool) {
		cells = append(cells, cell{from[who], who, to.postgres, postgres}, cell{from[who], who, to.stranger, false})
	}
	row("orders", true, false)
	leaves("orders", true)
	row("users", false, false)
	leaves("users", true)
	row("the test of orders", true, true)
	leaves("the test of orders", false)
	row("the test of users", true, false)
	leaves("the test of users", false)
	row("a neighbour", false, true)
	row("a stranger", false, false)
	row("a stranger that calls itself orders", false, false)
	return cells
}

// callers are shells by who they are.
func callers(n, strangers namespace, users, orders string) (map[string]shell, error) {
	const labels = "app.kubernetes.io/name: %[1]s, app.kubernetes.io/instance: %[1]s, app.kubernetes.io/component: %[2]s"
	inUsers, err := n.shellIn(users)
	if err != nil {
		return nil, err
	}
	shells := map[string]shell{
		"users":  inUsers,
		"orders": {n, orders, "probe"}, // put there by balancing
	}
	for who, s := range map[string]struct {
		in           namespace
		name, labels string
	}{
		"the test of users":                   {n, "tester-of-users", fmt.Sprintf(labels, "users", "test")},
		"the test of orders":                  {n, "tester-of-orders", fmt.Sprintf(labels, "orders", "test")},
		"a neighbour":                         {n, "neighbour", ""},
		"a stranger":                          {strangers, "stranger", ""},
		"a stranger that calls itself orders": {strangers, "impostor", fmt.Sprintf(labels, "orders", "server")},
	} {
		made, err := s.in.newShell(s.name, s.labels)
		if err != nil {
			return nil, err
		}
		shells[who] = made
	}
	return shells, nil
}

func (n namespace) ip(pod string) (string, error) {
	r := n.kubectl("get", "pod", pod, "--output=jsonpath={.status.podIP}")
	return r.text, r.err
}
