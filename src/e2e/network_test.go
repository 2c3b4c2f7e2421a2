//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// connection is a TCP connection that the NetworkPolicies allow or deny.
type connection struct {
	from    shell
	client  string
	to      endpoint
	allowed bool
}

// checkNetworkPolicies tries every connection with the charts' NetworkPolicies, and
// then, as a negative control, without them.
func checkNetworkPolicies(t *testing.T, n namespace) {
	var connections []connection
	must(t, "start a shell for every client", func() (err error) {
		connections, err = allConnections(n, newNamespace(t, "stranger"))
		return err
	})
	for _, c := range connections {
		verb := map[bool]string{true: " reaches ", false: " does not reach "}[c.allowed]
		check(t, c.client+verb+c.to.name, func() error {
			if c.allowed {
				return eventually(10*time.Second, func() error { return c.from.expectReachable(c.to, true) })
			}
			return c.from.expectReachable(c.to, false)
		})
	}
	check(t, "without the NetworkPolicies every client reaches every endpoint", func() error {
		if err := n.kubectl("delete", "networkpolicy", "--all").err; err != nil {
			return err
		}
		var steps []func() error
		for _, c := range connections {
			steps = append(steps, func() error {
				return eventually(20*time.Second, func() error { return c.from.expectReachable(c.to, true) })
			})
		}
		return concurrently(steps...)
	})
}

// endpoints are the endpoints of the connections.
type endpoints struct{ users, orders, postgres, stranger endpoint }

// allConnections returns the connections between the pods of both services,
// PostgreSQL, and pods with a shell in both namespaces.
func allConnections(n, strangers namespace) ([]connection, error) {
	users, err := n.pods("users")
	if err != nil {
		return nil, err
	}
	orders, err := n.pods("orders")
	if err != nil {
		return nil, err
	}
	shells, err := clientShells(n, strangers, users[0].Metadata.Name, orders[0].Metadata.Name)
	if err != nil {
		return nil, err
	}
	postgres, postgresErr := n.podIP("postgres-0")
	stranger, strangerErr := strangers.podIP("stranger")
	// The second pod of each service, because the first is among the clients.
	to := endpoints{
		endpoint{"users", users[1].Status.PodIP, 5001}, endpoint{"orders", orders[1].Status.PodIP, 5002},
		endpoint{"PostgreSQL", postgres, 5432}, endpoint{"a pod of another namespace", stranger, shellPort},
	}
	return connectionMatrix(shells, to), errors.Join(postgresErr, strangerErr)
}

// connectionMatrix returns which clients may connect to which endpoints.
func connectionMatrix(from map[string]shell, to endpoints) (connections []connection) {
	add := func(client string, e endpoint, allowed bool) {
		connections = append(connections, connection{from[client], client, e, allowed})
	}
	toServices := func(client string, users, orders bool) {
		add(client, to.users, users)
		add(client, to.orders, orders)
	}
	toOthers := func(client string, postgres bool) {
		add(client, to.postgres, postgres)
		add(client, to.stranger, false)
	}
	toServices("orders", true, false)
	toOthers("orders", true)
	toServices("users", false, false)
	toOthers("users", true)
	toServices("the Helm test of orders", true, true)
	toOthers("the Helm test of orders", false)
	toServices("the Helm test of users", true, false)
	toOthers("the Helm test of users", false)
	toServices("a pod of the same namespace", false, true)
	toServices("a pod of another namespace", false, false)
	toServices("a pod of another namespace with the labels of orders", false, false)
	return connections
}

// clientShells returns a shell for each client of the matrix.
func clientShells(n, strangers namespace, usersPod, ordersPod string) (map[string]shell, error) {
	const labels = "app.kubernetes.io/name: %[1]s, app.kubernetes.io/instance: %[1]s, app.kubernetes.io/component: %[2]s"
	shells := map[string]shell{}
	for client, pod := range map[string]string{"users": usersPod, "orders": ordersPod} {
		s, err := n.debugShell(pod, "network")
		if err != nil {
			return nil, err
		}
		shells[client] = s
	}
	for client, s := range map[string]struct {
		in           namespace
		name, labels string
	}{
		"the Helm test of users":                               {n, "test-of-users", fmt.Sprintf(labels, "users", "test")},
		"the Helm test of orders":                              {n, "test-of-orders", fmt.Sprintf(labels, "orders", "test")},
		"a pod of the same namespace":                          {n, "neighbour", ""},
		"a pod of another namespace":                           {strangers, "stranger", ""},
		"a pod of another namespace with the labels of orders": {strangers, "impostor", fmt.Sprintf(labels, "orders", "server")},
	} {
		started, err := s.in.newShell(s.name, s.labels)
		if err != nil {
			return nil, err
		}
		shells[client] = started
	}
	return shells, nil
}

func (n namespace) podIP(pod string) (string, error) {
	r := n.kubectl("get", "pod", pod, "--output=jsonpath={.status.podIP}")
	return r.stdout, r.err
}
