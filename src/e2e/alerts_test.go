//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// alertsFire lets every call to users be slow and fail for a while.
func alertsFire(t *testing.T, o *observed) {
	alerts := []string{
		`TandemAvailabilityBudgetBurnsFast of users`,
		`TandemLatencyBudgetBurnsFast of users`,
		`TandemAvailabilityBudgetBurnsFast of orders`,
		`TandemCircuitBreakerOpen of orders`,
	}
	check(t, "no alert fires before the fault", func() error {
		return eventually(time.Minute, func() error { return o.allAre(alerts, "silent") })
	})
	must(t, "each alert is pending, fires and is resolved as users fails and recovers", func() error {
		return o.through("users", func(users service) error {
			return o.through("orders", func(orders service) error {
				stopUsers := users.load("/users/1", 20*time.Millisecond)
				defer stopUsers()
				stopOrders := orders.load("/orders/1/details", 20*time.Millisecond)
				defer stopOrders()
				return o.pass(alerts)
			})
		})
	})
}

// pass switches faults on until each alert fires, and off again.
func (o *observed) pass(alerts []string) error {
	seen := o.watch()
	err := inOrder(
		func() error { return o.fault("users", "status=503&delay=150ms") },
		func() error { return o.fault("orders", "status=503&share=0.5") },
		func() error { return eventually(time.Minute, func() error { return o.allAre(alerts, "firing") }) })
	err = errors.Join(err, o.fault("users", ""), o.fault("orders", ""))
	if err == nil {
		err = eventually(2*time.Minute, func() error { return o.allAre(alerts, "silent") })
	}
	was := seen()
	for _, alert := range alerts {
		if err == nil && !was[alert+" pending"] {
			err = fmt.Errorf("%s was not pending before it fired", alert)
		}
	}
	return err
}

// watch notes in which state each alert is seen, until it is asked for them.
func (o *observed) watch() (seen func() map[string]bool) {
	done, noted := make(chan struct{}), make(chan map[string]bool)
	go func() {
		was := map[string]bool{}
		for {
			select {
			case <-done:
				noted <- was
				return
			case <-time.After(200 * time.Millisecond):
				states, _ := o.states()
				for alert, state := range states {
					was[alert+" "+state] = true
				}
			}
		}
	}()
	return func() map[string]bool { close(done); return <-noted }
}

// states are what the alerts of both releases are: pending or firing.
func (o *observed) states() (map[string]string, error) {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	err := o.prometheus.members("/api/v1/alerts", &answer)
	states := map[string]string{}
	for _, alert := range answer.Data.Alerts {
		states[alert.Labels["alertname"]+" of "+alert.Labels["service"]] = alert.State
	}
	return states, err
}

func (o *observed) allAre(alerts []string, state string) error {
	states, err := o.states()
	for _, alert := range alerts {
		got := states[alert]
		if got == "" {
			got = "silent"
		}
		if err == nil && got != state {
			err = fmt.Errorf("%s is %s", alert, got)
		}
	}
	return err
}
