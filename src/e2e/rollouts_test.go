//go:build e2e

package e2e

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rollouts replaces pods in all usual ways.
func rollouts(t *testing.T, r *resilience) {
	const demand = "0 failed, degraded or refused, every pod replaced"
	r.prove(t, scenario{
		name:   "rolling restarts of users, of orders, and of both at once",
		demand: demand,
		run:    func() (string, error) { return r.faultless(r.requests, r.restartEach) },
		controls: []control{
			r.hasty("users", "drain delay of users and retries", r.without("retries", "")),
			r.hasty("orders", "drain delay of orders"),
		},
	})
	r.prove(t, scenario{
		name:   "`helm upgrade` of orders to a version with one more migration, and `helm rollback`",
		demand: demand,
		run:    func() (string, error) { return r.faultless(r.requests, r.upAndBack) },
	})
}

// faultless demands that no request fails while something happens again and
// again, and that none is answered without its user.
func (r *resilience) faultless(requests int, do func() error) (string, error) {
	sum, err := r.during(requests, again(time.Duration(requests/gentle)*time.Second, do), "-rate="+strconv.Itoa(gentle))
	if err == nil {
		err = demand(sum.bad() == 0, "%d were not answered in full", sum.bad())
	}
	return sum.String(), err
}

// again lets something happen as often as it begins within a time.
func again(within time.Duration, do func() error) func() error {
	return func() error {
		for began := time.Now(); ; {
			if err := do(); err != nil || time.Since(began) > within {
				return err
			}
		}
	}
}

// restartEach restarts users, then orders, then both.
func (n namespace) restartEach() error {
	return inOrder(
		func() error { return n.restart("users") },
		func() error { return n.restart("orders") },
		func() error { return n.restart("users", "orders") })
}

// restart replaces every pod of some releases, and waits until none of the old
// ones is left.
func (n namespace) restart(releases ...string) error {
	var steps []func() error
	for _, release := range releases {
		steps = append(steps, func() error {
			return n.untilReplaced(release, func() error {
				return inOrder(
					func() error { return n.kubectl("rollout", "restart", "deployment/"+release).err },
					func() error { return n.kubectl("rollout", "status", "deployment/"+release, "--timeout=3m").err })
			})
		})
	}
	return atOnce(steps...)
}

// upAndBack upgrades orders to the next version, which migrates the schema, and
// goes back to this one on the migrated schema.
func (r *resilience) upAndBack() error {
	version, err := appVersion("orders")
	if err != nil {
		return err
	}
	return inOrder(
		r.withoutNote,
		func() error { return r.change("orders", "--set=image.tag="+version+"-next") },
		func() error { return r.schemaIs("orders", nextSchema) },
		func() error {
			return r.untilReplaced("orders", func() error { return r.helm("rollback", "orders", "--wait", "--timeout=3m").err })
		})
}

// nextSchema is the migration that the next version has.
const nextSchema = "90000"

// withoutNote takes back what the next version's migration has changed, so that
// it has to migrate again.
func (n namespace) withoutNote() error {
	_, err := n.psql("orders", "ALTER TABLE orders DROP COLUMN IF EXISTS note; DELETE FROM goose_db_version WHERE version_id = "+nextSchema)
	return err
}

// schemaIs demands the version of a service's schema.
func (n namespace) schemaIs(service, version string) error {
	got, err := n.psql(service, "SELECT max(version_id) FROM goose_db_version WHERE is_applied")
	if err == nil && got != version {
		err = unmet{"the schema of " + service + " has version " + got}
	}
	return err
}

// psql asks a service's database, as its superuser.
func (n namespace) psql(database, statement string) (string, error) {
	r := runOn(statement, "kubectl", "--namespace="+string(n), "exec", "--stdin", "postgres-0", "--",
		"psql", "--username=postgres", "--dbname="+database, "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
	return strings.TrimSpace(r.text), r.err
}

// hasty is the control that lets a release's pods end at once, perhaps with
// another mechanism off besides, and restarts that release alone.
func (r *resilience) hasty(release, said string, more ...control) control {
	return control{
		without: said,
		off: func() error {
			err := r.change(release, "--set=config.drainDelaySeconds=0")
			for _, c := range more {
				err = errors.Join(err, c.off())
			}
			return err
		},
		run: func() (string, error) {
			return r.faultless(2*some, func() error { return r.restart(release) })
		},
	}
}
