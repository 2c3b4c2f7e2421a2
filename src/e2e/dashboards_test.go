//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// verifyPanels evaluates the expressions of every panel under load.
func verifyPanels(t *testing.T, o *observed) {
	check(t, "each panel of the dashboards shows data under load", func() error {
		return o.through("orders", func(s service) error {
			defer s.repeatRequests("/orders/1/details", 10*time.Millisecond)()
			return eventually(30*time.Second, func() error {
				expressions, err := o.expressions()
				return errors.Join(err, o.expectPanelData(expressions))
			})
		})
	})
}

// verifyQueries looks up every series that a dashboard or a rule selects. First it
// makes calls to users fail: their series exist only after that.
func verifyQueries(t *testing.T, o *observed) {
	must(t, "some calls to users fail", func() error {
		return o.withFault("users", failHalf, func() error { _, err := o.sendTraced(40); return err })
	})
	var expressions map[string]string
	must(t, "read the dashboards and the rules of both releases", func() (err error) {
		expressions, err = o.expressions()
		return err
	})
	check(t, fmt.Sprintf("each selector of the %d expressions in dashboards and rules selects a series", len(expressions)), func() error {
		return eventually(20*time.Second, func() error {
			for expression, source := range expressions {
				if err := o.expectSeries(expression); err != nil {
					return fmt.Errorf("%s: %s: %w", source, expression, err)
				}
			}
			return nil
		})
	})
	check(t, "the check finds a metric that does not exist", func() error {
		return expectFailure(commandResult{err: o.expectSeries(`sum(rate(http_server_requests_seconds{job="users"}[1m]))`)}, "is empty")
	})
}

// expressions returns the expressions of all dashboards and rules, and the panel or
// rule that each comes from.
func (o *observed) expressions() (map[string]string, error) {
	all := map[string]string{}
	for _, release := range []string{"users", "orders"} {
		var dashboards struct{ Data map[string]string }
		if err := o.kubectl("get", "configmap", release+"-dashboards", "--output=json").decode(&dashboards); err != nil {
			return nil, err
		}
		for name, text := range dashboards.Data {
			var dashboard struct {
				Panels []struct {
					Title   string
					Targets []struct{ Expr string }
				}
			}
			if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			for _, panel := range dashboard.Panels {
				for _, target := range panel.Targets {
					all[strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")] = name + ", " + panel.Title
				}
			}
		}
	}
	return all, o.addRules(all)
}

// addRules adds the expressions of the rules that Prometheus has loaded.
func (o *observed) addRules(expressions map[string]string) error {
	var response struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError string }
			}
		}
	}
	err := o.prometheus.getJSON("/api/v1/rules", &response)
	if err == nil && len(response.Data.Groups) != 4 {
		err = fmt.Errorf("Prometheus has %d groups of rules instead of two for each release", len(response.Data.Groups))
	}
	for _, group := range response.Data.Groups {
		for _, rule := range group.Rules {
			expressions[rule.Query] = rule.Name
			if rule.LastError != "" {
				err = errors.Join(err, errors.New(rule.Name+": "+rule.LastError))
			}
		}
	}
	return err
}

// expectSeries returns an error if a selector of an expression selects no series of
// the last ten minutes.
func (o *observed) expectSeries(expression string) error {
	var parsed struct{ Data any }
	if err := o.prometheus.getJSON("/api/v1/parse_query?query="+url.QueryEscape(expression), &parsed); err != nil {
		return err
	}
	for _, selector := range selectors(parsed.Data) {
		found, err := o.query("count(last_over_time(" + selector + "[10m]))")
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errors.New(selector + " is empty")
		}
	}
	return nil
}

// expectPanelData returns an error if an expression of a dashboard has no value.
func (o *observed) expectPanelData(expressions map[string]string) error {
	for expression, source := range expressions {
		if !strings.Contains(source, ".json") {
			continue // an alert has a value only while it is active
		}
		if values, err := o.query(expression); err != nil || len(values) == 0 {
			return errors.Join(err, fmt.Errorf("%s shows no data: %s", source, expression))
		}
	}
	return nil
}

// selectors returns the vector and matrix selectors in a parsed expression.
func selectors(node any) (all []string) {
	switch node := node.(type) {
	case map[string]any:
		if kind := node["type"]; kind == "vectorSelector" || kind == "matrixSelector" {
			var matchers []string
			list, _ := node["matchers"].([]any)
			for _, m := range list {
				matcher, _ := m.(map[string]any)
				matchers = append(matchers, fmt.Sprintf("%v%v%q", matcher["name"], matcher["type"], matcher["value"]))
			}
			return []string{"{" + strings.Join(matchers, ",") + "}"}
		}
		for _, child := range node {
			all = append(all, selectors(child)...)
		}
	case []any:
		for _, child := range node {
			all = append(all, selectors(child)...)
		}
	}
	return all
}
