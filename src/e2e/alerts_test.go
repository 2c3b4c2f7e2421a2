//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// verifyAlerts makes requests slow or fail for a while, and watches the alerts.
func verifyAlerts(t *testing.T, o *observed) {
	alerts := []string{
		`TandemAvailabilityBudgetBurnsFast of users`,
		`TandemLatencyBudgetBurnsFast of users`,
		`TandemAvailabilityBudgetBurnsFast of orders`,
		`TandemCircuitBreakerOpen of orders`,
	}
	check(t, "no alert is active before the fault", func() error {
		return eventually(time.Minute, func() error { return o.expectAlertStates(alerts, "inactive") })
	})
	must(t, "each alert becomes pending, fires during the fault and is inactive after it", func() error {
		return o.through("users", func(users service) error {
			return o.through("orders", func(orders service) error {
				defer users.repeatRequests("/users/1", 20*time.Millisecond)()
				defer orders.repeatRequests("/orders/1/details", 20*time.Millisecond)()
				return o.fireAndResolve(alerts)
			})
		})
	})
}

// fireAndResolve injects faults until each alert fires, and waits until all are
// inactive again.
func (o *observed) fireAndResolve(alerts []string) error {
	stopWatching := o.watchAlerts()
	err := inOrder(
		func() error { return o.setFault("users", "status=503&delay=150ms") },
		func() error { return o.setFault("orders", failHalf) },
		func() error {
			return eventually(time.Minute, func() error { return o.expectAlertStates(alerts, "firing") })
		})
	err = errors.Join(err, o.setFault("users", ""), o.setFault("orders", ""))
	if err == nil {
		err = eventually(2*time.Minute, func() error { return o.expectAlertStates(alerts, "inactive") })
	}
	seen := stopWatching()
	for _, alert := range alerts {
		if err == nil && !seen[alert+" pending"] {
			err = fmt.Errorf("%s was not pending before it fired", alert)
		}
	}
	return err
}

// watchAlerts records the states of all alerts until stop is called, which returns
// them.
func (o *observed) watchAlerts() (stop func() map[string]bool) {
	done, result := make(chan struct{}), make(chan map[string]bool)
	go func() {
		seen := map[string]bool{}
		for {
			select {
			case <-done:
				result <- seen
				return
			case <-time.After(200 * time.Millisecond):
				states, _ := o.alertStates()
				for alert, state := range states {
					seen[alert+" "+state] = true
				}
			}
		}
	}()
	return func() map[string]bool { close(done); return <-result }
}

// alertStates returns the states, pending or firing, of the active alerts of both
// releases.
func (o *observed) alertStates() (map[string]string, error) {
	var response struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	err := o.prometheus.getJSON("/api/v1/alerts", &response)
	states := map[string]string{}
	for _, alert := range response.Data.Alerts {
		states[alert.Labels["alertname"]+" of "+alert.Labels["service"]] = alert.State
	}
	return states, err
}

// expectAlertStates returns an error unless all alerts have a state: inactive,
// pending or firing.
func (o *observed) expectAlertStates(alerts []string, state string) error {
	states, err := o.alertStates()
	for _, alert := range alerts {
		got := states[alert]
		if got == "" {
			got = "inactive"
		}
		if err == nil && got != state {
			err = fmt.Errorf("%s is %s", alert, got)
		}
	}
	return err
}
