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

// dashboardsAreAlive looks up every metric that a dashboard or a rule names.
func dashboardsAreAlive(t *testing.T, o *observed) {
	var expressions map[string]string
	must(t, "the dashboards and the rules of both releases are there", func() (err error) {
		expressions, err = o.expressions()
		return err
	})
	check(t, fmt.Sprintf("each metric of the %d expressions in them is measured", len(expressions)), func() error {
		return eventually(20*time.Second, func() error {
			for expression, from := range expressions {
				if err := o.isMeasured(expression); err != nil {
					return fmt.Errorf("%s: %s: %w", from, expression, err)
				}
			}
			return nil
		})
	})
	check(t, "each panel of the dashboards shows something under load", func() error {
		return o.through("orders", func(s service) error {
			defer s.load("/orders/1/details", 10*time.Millisecond)()
			return eventually(30*time.Second, func() error { return o.panelsShow(expressions) })
		})
	})
	check(t, "a metric that nobody measures would be noticed", func() error {
		return fails(result{err: o.isMeasured(`sum(rate(http_server_requests_seconds{job="users"}[1m]))`)}, "is empty")
	})
}

// expressions are those of all dashboards and rules, and where each comes from.
func (o *observed) expressions() (map[string]string, error) {
	all := map[string]string{}
	for _, release := range []string{"users", "orders"} {
		var dashboards struct{ Data map[string]string }
		if err := o.kubectl("get", "configmap", release+"-dashboards", "--output=json").into(&dashboards); err != nil {
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

func (o *observed) addRules(to map[string]string) error {
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError string }
			}
		}
	}
	err := o.prometheus.members("/api/v1/rules", &answer)
	if err == nil && len(answer.Data.Groups) != 4 {
		err = fmt.Errorf("Prometheus has %d groups of rules, not two for each release", len(answer.Data.Groups))
	}
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			to[rule.Query] = rule.Name
			if rule.LastError != "" {
				err = errors.Join(err, errors.New(rule.Name+": "+rule.LastError))
			}
		}
	}
	return err
}

// isMeasured demands that every selector of an expression finds series.
func (o *observed) isMeasured(expression string) error {
	var parsed struct{ Data any }
	if err := o.prometheus.members("/api/v1/parse_query?query="+url.QueryEscape(expression), &parsed); err != nil {
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

// panelsShow demands that every expression of a dashboard has a value.
func (o *observed) panelsShow(expressions map[string]string) error {
	for expression, from := range expressions {
		if !strings.Contains(from, ".json") {
			continue // an alert is silent where all is well
		}
		if values, err := o.query(expression); err != nil || len(values) == 0 {
			return errors.Join(err, fmt.Errorf("%s shows nothing: %s", from, expression))
		}
	}
	return nil
}

// selectors are the series that a parsed expression reads.
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
