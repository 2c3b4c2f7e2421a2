//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// verifyRollouts replaces pods by restarts, an upgrade and a rollback.
func verifyRollouts(t *testing.T, r *resilience) {
	const requirement = "0 failed, degraded or refused, every pod replaced"
	r.verify(t, scenario{
		name:        "rolling restarts of users, of orders, and of both at once",
		requirement: requirement,
		run:         func() (string, error) { return r.runWithoutErrors(r.requests, r.restartEach) },
		controls: []control{
			r.withoutDrainDelay("users", "drain delay of users and retries", func() error { return r.disableMechanisms("retries") }),
			r.withoutDrainDelay("orders", "drain delay of orders", noop),
		},
	})
	r.verify(t, scenario{
		name:        "`helm upgrade` of orders to a version with one more migration, and `helm rollback`",
		requirement: requirement,
		run:         func() (string, error) { return r.runWithoutErrors(r.requests, r.upgradeAndRollBack) },
	})
}

// runWithoutErrors repeats a step under load, and requires that every request is
// successful.
func (r *resilience) runWithoutErrors(requests int, step func() error) (string, error) {
	report, err := r.during(requests, repeatFor(time.Duration(requests/lowRate)*time.Second, step), rate(lowRate))
	if err == nil {
		err = report.expectNoneUnsuccessful()
	}
	return report.String(), err
}

// repeatFor returns a function that repeats a step until the duration has passed, at
// least once, and stops at the first error.
func repeatFor(duration time.Duration, step func() error) func() error {
	return func() error {
		for started := time.Now(); ; {
			if err := step(); err != nil || time.Since(started) > duration {
				return err
			}
		}
	}
}

// restartEach restarts users, then orders, then both at the same time.
func (n namespace) restartEach() error {
	return inOrder(
		func() error { return n.restart("users") },
		func() error { return n.restart("orders") },
		func() error { return n.restart("users", "orders") })
}

// restart replaces every pod of some releases at the same time, and waits until the
// previous pods are deleted.
func (n namespace) restart(releases ...string) error {
	var steps []func() error
	for _, release := range releases {
		steps = append(steps, func() error {
			return n.waitForReplacement(release, func() error {
				return inOrder(
					func() error { return n.kubectl("rollout", "restart", "deployment/"+release).err },
					func() error { return n.kubectl("rollout", "status", "deployment/"+release, "--timeout=3m").err })
			})
		})
	}
	return concurrently(steps...)
}

// upgradeAndRollBack upgrades orders to the next version, which migrates the schema,
// and rolls back to the current version on the migrated schema.
func (r *resilience) upgradeAndRollBack() error {
	version, err := appVersion("orders")
	if err != nil {
		return err
	}
	return inOrder(
		r.revertNextMigration,
		func() error { return r.upgradeAndReplace("orders", "--set=image.tag="+version+"-next") },
		func() error { return r.expectSchemaVersion("orders", nextSchemaVersion) },
		func() error {
			return r.waitForReplacement("orders", func() error { return r.helm("rollback", "orders", "--wait", "--timeout=3m").err })
		})
}

// nextSchemaVersion is the number of the migration that only the next version has.
const nextSchemaVersion = "90000"

// revertNextMigration reverts the migration of the next version, so that the next
// upgrade migrates again.
func (n namespace) revertNextMigration() error {
	_, err := n.psql("orders", "ALTER TABLE orders DROP COLUMN IF EXISTS note; "+
		"DELETE FROM orders_schema_version WHERE version_id = "+nextSchemaVersion)
	return err
}

// expectSchemaVersion returns an error unless the schema of a database has the
// version.
func (n namespace) expectSchemaVersion(database, version string) error {
	got, err := n.psql(database, "SELECT max(version_id) FROM "+database+"_schema_version WHERE is_applied")
	if err == nil && got != version {
		err = unmetError{"the schema of " + database + " has version " + got}
	}
	return err
}

// psql runs statements in a database as PostgreSQL's superuser, and returns the
// output without white space around it.
func (n namespace) psql(database, statements string) (string, error) {
	r := runWithInput(statements, "kubectl", "--namespace="+string(n), "exec", "--stdin", "postgres-0", "--",
		"psql", "--username=postgres", "--dbname="+database, "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
	return strings.TrimSpace(r.stdout), r.err
}

// withoutDrainDelay is the control that sets the drain delay of a release to zero,
// runs another step that disables a mechanism, and restarts only that release.
func (r *resilience) withoutDrainDelay(release, description string, disableMore func() error) control {
	return control{
		without: description,
		disable: func() error {
			return inOrder(
				func() error { return r.upgradeAndReplace(release, "--set=config.drainDelaySeconds=0") },
				disableMore)
		},
		run: func() (string, error) {
			return r.runWithoutErrors(2*manyRequests, func() error { return r.restart(release) })
		},
	}
}
