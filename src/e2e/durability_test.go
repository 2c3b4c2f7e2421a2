//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// verifyDurability kills processes and interrupts PostgreSQL while orders are
// created.
func verifyDurability(t *testing.T, r *resilience) {
	r.verify(t, scenario{
		name:        "SIGKILL of orders' processes; every order has an Idempotency-Key and is sent until acknowledged, each commit takes 0.1 s",
		requirement: "orders stored = keys sent, every acknowledged one among them",
		run:         r.killWithKeys,
		controls:    []control{{without: "the keys", run: r.killWithoutKeys}},
	})
	r.verify(t, scenario{
		name:        "PostgreSQL restarted",
		requirement: "no pod restarted, well again ≤ 15 s after it is back, no acknowledged order lost",
		run:         func() (string, error) { return r.postgresOutage(r.restartPostgres) },
	})
	r.verify(t, scenario{
		name:        "PostgreSQL unreachable for 20 s",
		requirement: "pods not ready, none restarted, well again ≤ 15 s after it is back, no acknowledged order lost",
		run: func() (string, error) {
			bothUnready := r.watchReadiness()
			measured, err := r.postgresOutage(func() error { return r.dropPostgresTraffic(20 * time.Second) })
			return measured, errors.Join(err, require(bothUnready(), "a pod stayed ready"))
		},
	})
}

// killReport is what happened to orders that were sent repeatedly while processes
// were killed.
type killReport struct {
	loadReport
	rows, keys int // stored orders, and different keys among them
	lost       int // orders that were acknowledged but are not stored
}

func (k killReport) String() string {
	return fmt.Sprintf("%d orders sent, %d sent again, %d of them stored already; %d stored, of %d keys; %d acknowledged, %d of them lost",
		k.Sent, k.Resent, k.Replayed, k.rows, k.keys, len(k.Created), k.lost)
}

// killWithKeys requires that every Idempotency-Key is stored as exactly one order.
func (r *resilience) killWithKeys() (string, error) {
	k, err := r.killUnderLoad()
	if err == nil && k.Replayed == 0 {
		err = errors.New("no process was killed between the commit of an order and its response")
	}
	return k.String(), errors.Join(err, require(k.rows == k.Sent && k.keys == k.Sent && len(k.Created) == k.Sent && k.lost == 0,
		"%d orders with %d keys are stored, %d were sent, %d are lost", k.rows, k.keys, k.Sent, k.lost))
}

// killWithoutKeys requires that no order is stored twice although the requests have
// no Idempotency-Key.
func (r *resilience) killWithoutKeys() (string, error) {
	k, err := r.killUnderLoad("-keys=false")
	return k.String(), errors.Join(err, require(k.rows == k.keys, "%d orders are stored twice", k.rows-k.keys))
}

// killUnderLoad kills the processes of orders while orders are created, and compares
// the orders that are stored with those that were sent.
func (r *resilience) killUnderLoad(flags ...string) (k killReport, err error) {
	name := "k" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	k.loadReport, err = r.during(manyRequests, r.killDuringCommits,
		append([]string{"-posts=100", "-resend", "-name=" + name, rate(lowRate)}, flags...)...)
	return k, errors.Join(err, r.waitUntilHealthy(), r.countStoredOrders(name, &k))
}

// killDuringCommits delays the commits of PostgreSQL, so that a process is likely
// killed between a commit and its response.
func (r *resilience) killDuringCommits() error {
	err := r.setCommitDelay("100000")
	time.Sleep(time.Second) // until all commits in progress are slow
	return errors.Join(err, r.killAllProcesses(), r.setCommitDelay("0"))
}

// countStoredOrders counts the orders whose product starts with a name.
func (n namespace) countStoredOrders(name string, k *killReport) error {
	stored, err := n.psql("orders", "SELECT count(*) || ' ' || count(DISTINCT product) FROM orders WHERE product LIKE '"+name+" %'")
	if err != nil {
		return err
	}
	rows, keys, _ := strings.Cut(stored, " ")
	var rowsErr, keysErr, lostErr error
	k.rows, rowsErr = strconv.Atoi(rows)
	k.keys, keysErr = strconv.Atoi(keys)
	k.lost, lostErr = n.countLostOrders(k.Created)
	return errors.Join(rowsErr, keysErr, lostErr)
}

// setCommitDelay sets the time that PostgreSQL waits before each commit, in
// microseconds.
func (n namespace) setCommitDelay(microseconds string) error {
	for _, statement := range []string{
		"ALTER SYSTEM SET commit_siblings = 0",
		"ALTER SYSTEM SET commit_delay = " + microseconds,
		"SELECT pg_reload_conf()",
	} {
		if _, err := n.psql("postgres", statement); err != nil {
			return err
		}
	}
	return nil
}

// countLostOrders returns how many of the orders are not stored.
func (n namespace) countLostOrders(ids []int64) (int, error) {
	var texts []string
	for _, id := range ids {
		texts = append(texts, strconv.FormatInt(id, 10))
	}
	found, err := n.psql("orders", "SELECT count(*) FROM unnest('{"+strings.Join(texts, ",")+
		"}'::bigint[]) AS sent WHERE NOT EXISTS (SELECT FROM orders WHERE id = sent)")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(found)
}

// killAllProcesses kills every process of orders twice, and waits each time until
// the containers have restarted and are ready.
func (n namespace) killAllProcesses() error {
	for range 2 {
		pods, err := n.pods("orders")
		if err != nil {
			return err
		}
		before, err := n.restarts("orders")
		if err != nil {
			return err
		}
		var kills []func() error
		for _, p := range pods {
			kills = append(kills, func() error { return p.forEachProcess("kill -KILL") })
		}
		err = inOrder(
			func() error { return concurrently(kills...) },
			func() error { return n.waitForRestarts("orders", before+len(pods)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// forEachProcess runs a command with the id of each process of a pod on its node.
// It runs there because inside the container, the first process cannot be killed.
func (p pod) forEachProcess(command string) error {
	const loop = `cd /proc && for process in [0-9]*; do
	if grep --quiet --no-messages --null-data --line-regexp HOSTNAME=%s $process/environ; then %s $process && done=yes; fi
done
[ "$done" ]`
	return run("docker", "exec", p.Spec.NodeName, "bash", "-c", fmt.Sprintf(loop, p.Metadata.Name, command)).err
}

// waitForRestarts waits until the containers of a release have restarted at least the
// given number of times and its pods are ready.
func (n namespace) waitForRestarts(release string, restarts int) error {
	return inOrder(
		func() error {
			return eventually(time.Minute, func() error {
				now, err := n.restarts(release)
				if err == nil && now < restarts {
					err = fmt.Errorf("containers of %s have restarted %d times instead of %d", release, now, restarts)
				}
				return err
			})
		},
		func() error {
			return n.kubectl("wait", "pod", "--selector="+serverSelector(release), "--for=condition=Ready", "--timeout=2m").err
		})
}

// restartPostgres deletes PostgreSQL's only pod and waits for its replacement.
func (n namespace) restartPostgres() error {
	return inOrder(
		func() error { return n.kubectl("delete", "pod", "postgres-0").err },
		func() error { return n.kubectl("rollout", "status", "statefulset/postgres", "--timeout=2m").err })
}

// dropPostgresTraffic drops every packet to PostgreSQL on its node for a duration.
func (n namespace) dropPostgresTraffic(duration time.Duration) error {
	err := n.changePostgresRule("--insert")
	time.Sleep(duration)
	return errors.Join(err, n.changePostgresRule("--delete"))
}

// restorePostgresTraffic deletes the rules that an interrupted dropPostgresTraffic
// may have left.
func (n namespace) restorePostgresTraffic() error {
	for n.changePostgresRule("--check") == nil {
		if err := n.changePostgresRule("--delete"); err != nil {
			return err
		}
	}
	return nil
}

// changePostgresRule runs iptables with an action, such as --insert, for the rule
// that drops packets to PostgreSQL.
func (n namespace) changePostgresRule(action string) error {
	var p pod
	if err := n.kubectl("get", "pod", "postgres-0", "--output=json").decode(&p); err != nil {
		return err
	}
	return run("docker", "exec", p.Spec.NodeName, "iptables", action, "FORWARD", "--destination", p.Status.PodIP, "--jump", "DROP").err
}

// postgresOutage interrupts PostgreSQL under load. It requires that requests are
// successful again at most 15 s after the outage, that no pod restarts, and that no
// acknowledged order is lost.
func (r *resilience) postgresOutage(outage func() error) (string, error) {
	before, err := r.totalRestarts()
	if err != nil {
		return "", err
	}
	var ended time.Time
	report, err := r.during(manyRequests, func() error {
		err := outage()
		ended = time.Now()
		return errors.Join(err, r.waitUntilHealthy())
	})
	recovery := durationUntil(ended, max(report.LastFailed, report.LastDegraded))
	after, restartsErr := r.totalRestarts()
	lost, lostErr := r.countLostOrders(report.Created)
	return fmt.Sprintf("well again after %.1f s; %d of %d acknowledged orders lost, %d restarts",
			recovery.Seconds(), lost, len(report.Created), after-before),
		errors.Join(err, restartsErr, lostErr,
			require(report.unsuccessful() > 0, "every request was successful, so PostgreSQL was probably not interrupted"),
			require(recovery <= 15*time.Second, "requests failed for %v after the outage", recovery),
			require(after == before, "there were %d restarts", after-before),
			require(lost == 0 && len(report.Created) > 0, "%d of %d acknowledged orders are lost", lost, len(report.Created)))
}

// watchReadiness watches the pods of both services until the returned function is
// called. That function reports whether each service had a moment without a ready
// pod.
func (n namespace) watchReadiness() (bothUnready func() bool) {
	done, result := make(chan struct{}), make(chan bool)
	go func() {
		unready := map[string]bool{}
		for {
			for _, release := range []string{"users", "orders"} {
				pods, err := n.pods(release)
				unready[release] = unready[release] || err == nil && !slices.ContainsFunc(pods, pod.isReady)
			}
			select {
			case <-done:
				result <- unready["users"] && unready["orders"]
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return func() bool { close(done); return <-result }
}
