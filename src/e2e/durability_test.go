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

// durability kills processes and takes PostgreSQL away while orders are placed.
func durability(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:     "SIGKILL of orders' processes; every order has an Idempotency-Key and is sent until acknowledged, each commit takes 0.1 s",
		demand:   "orders stored = keys sent, every acknowledged one among them",
		run:      func() (string, error) { return r.killing() },
		controls: []control{{without: "the keys", run: r.keyless}},
	})
	r.prove(t, scenario{
		name:   "PostgreSQL restarted",
		demand: "no pod restarted, well again ≤ 15 s after it is back, no acknowledged order lost",
		run:    func() (string, error) { return r.withoutPostgres(r.restartPostgres) },
	})
	r.prove(t, scenario{
		name:   "PostgreSQL unreachable for 20 s",
		demand: "pods not ready, none restarted, well again ≤ 15 s after it is back, no acknowledged order lost",
		run: func() (string, error) {
			seen := r.watchUnready()
			measured, err := r.withoutPostgres(func() error { return r.cutOff(20 * time.Second) })
			return measured, errors.Join(err, demand(seen(), "some pod stayed ready"))
		},
	})
}

// kills is what became of orders that were sent again and again while processes
// were killed.
type kills struct {
	accounts
	rows, keys int // of them that are stored
	lost       int // acknowledged, and not stored
}

func (k kills) String() string {
	return fmt.Sprintf("%d orders sent, %d sent again, %d of them stored already; %d stored, of %d keys; %d acknowledged, %d of them lost",
		k.Sent, k.Resent, k.Replayed, k.rows, k.keys, len(k.Created), k.lost)
}

// killing demands that each key has become one order.
func (r *resilience) killing() (string, error) {
	k, err := r.kill()
	if err == nil && k.Replayed == 0 {
		err = errors.New("no kill has come between an order's commit and its answer")
	}
	return k.String(), errors.Join(err, demand(k.rows == k.Sent && k.keys == k.Sent && len(k.Created) == k.Sent && k.lost == 0,
		"%d rows of %d keys are stored, %d were sent, %d lost", k.rows, k.keys, k.Sent, k.lost))
}

// keyless demands that no order was stored twice while the callers have no keys.
func (r *resilience) keyless() (string, error) {
	k, err := r.kill("-keys=false")
	return k.String(), errors.Join(err, demand(k.rows == k.keys, "%d orders were stored twice", k.rows-k.keys))
}

// kill kills the processes of orders, and compares the orders that are stored
// with those that were sent.
func (r *resilience) kill(flags ...string) (k kills, err error) {
	name := "k" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	k.accounts, err = r.during(some, r.killDuringCommits,
		append([]string{"-posts=100", "-resend", "-name=" + name, "-rate=" + strconv.Itoa(gentle)}, flags...)...)
	return k, errors.Join(err, r.settled(), r.compare(name, &k))
}

// killDuringCommits has PostgreSQL take long for a commit, so that a process is
// likely killed between a commit and its answer.
func (r *resilience) killDuringCommits() error {
	err := r.commitDelay("100000")
	time.Sleep(time.Second) // until commits are under way that take so long
	return errors.Join(err, r.killAll(), r.commitDelay("0"))
}

// compare counts the orders whose products begin with a name.
func (n namespace) compare(name string, k *kills) error {
	stored, err := n.psql("orders", "SELECT count(*) || ' ' || count(DISTINCT product) FROM orders WHERE product LIKE '"+name+" %'")
	if err != nil {
		return err
	}
	rows, keys, _ := strings.Cut(stored, " ")
	k.rows, err = strconv.Atoi(rows)
	var failed, uncounted error
	k.keys, failed = strconv.Atoi(keys)
	k.lost, uncounted = n.lost(k.Created)
	return errors.Join(err, failed, uncounted)
}

// commitDelay has PostgreSQL wait some microseconds before each commit.
func (n namespace) commitDelay(microseconds string) error {
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

// lost is how many of some orders are not stored.
func (n namespace) lost(ids []int64) (int, error) {
	var texts []string
	for _, id := range ids {
		texts = append(texts, strconv.FormatInt(id, 10))
	}
	found, err := n.psql("orders", "SELECT count(*) FROM unnest('{"+strings.Join(texts, ",")+"}'::bigint[]) AS sent WHERE NOT EXISTS (SELECT FROM orders WHERE id = sent)")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(found)
}

// killAll kills every process of orders, twice, and waits for the next.
func (n namespace) killAll() error {
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
			kills = append(kills, func() error { return p.onProcesses("kill -KILL") })
		}
		err = inOrder(
			func() error { return atOnce(kills...) },
			func() error { return n.serveAgain("orders", before+len(pods)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// onProcesses runs a command with the number of each process of a pod, on its
// node: from inside, the first process of a container cannot be killed.
func (p pod) onProcesses(command string) error {
	const loop = `cd /proc && for process in [0-9]*; do
	if grep --quiet --no-messages --null-data --line-regexp HOSTNAME=%s $process/environ; then %s $process && done=yes; fi
done
[ "$done" ]`
	return run("docker", "exec", p.Spec.NodeName, "bash", "-c", fmt.Sprintf(loop, p.Metadata.Name, command)).err
}

// serveAgain waits until containers of a release have been started so often anew,
// and its pods are ready.
func (n namespace) serveAgain(release string, restarts int) error {
	return inOrder(
		func() error {
			return eventually(time.Minute, func() error {
				now, err := n.restarts(release)
				if err == nil && now < restarts {
					err = fmt.Errorf("containers of %s were started anew %d times instead of %d", release, now, restarts)
				}
				return err
			})
		},
		func() error {
			return n.kubectl("wait", "pod", "--selector="+servers(release), "--for=condition=Ready", "--timeout=2m").err
		})
}

// restartPostgres has PostgreSQL's only pod replaced.
func (n namespace) restartPostgres() error {
	return inOrder(
		func() error { return n.kubectl("delete", "pod", "postgres-0").err },
		func() error { return n.kubectl("rollout", "status", "statefulset/postgres", "--timeout=2m").err })
}

// cutOff drops every packet to PostgreSQL for a time, at its node.
func (n namespace) cutOff(duration time.Duration) error {
	err := n.onPath("--insert")
	time.Sleep(duration)
	return errors.Join(err, n.onPath("--delete"))
}

// reconnect takes back what cutOff may have left.
func (n namespace) reconnect() error {
	for n.onPath("--check") == nil {
		if err := n.onPath("--delete"); err != nil {
			return err
		}
	}
	return nil
}

// onPath has iptables do something with the rule that drops what goes to
// PostgreSQL.
func (n namespace) onPath(action string) error {
	var p pod
	if err := n.kubectl("get", "pod", "postgres-0", "--output=json").into(&p); err != nil {
		return err
	}
	return run("docker", "exec", p.Spec.NodeName, "iptables", action, "FORWARD", "--destination", p.Status.PodIP, "--jump", "DROP").err
}

// withoutPostgres takes PostgreSQL away under load, and looks at what becomes of
// the pods and of what was acknowledged.
func (r *resilience) withoutPostgres(away func() error) (string, error) {
	before, err := r.restartsOfBoth()
	if err != nil {
		return "", err
	}
	var ended time.Time
	sum, err := r.during(some, func() error {
		err := away()
		ended = time.Now()
		return errors.Join(err, r.settled())
	})
	back := since(ended, max(sum.LastFailed, sum.LastDegraded))
	after, failed := r.restartsOfBoth()
	lost, gone := r.lost(sum.Created)
	return fmt.Sprintf("well again after %.1f s; %d of %d acknowledged orders lost, %d restarts", back.Seconds(), lost, len(sum.Created), after-before),
		errors.Join(err, failed, gone,
			demand(sum.bad() > 0, "nothing failed meanwhile: was it away?"),
			demand(back <= 15*time.Second, "it took %v", back),
			demand(after == before, "there were %d restarts", after-before),
			demand(lost == 0 && len(sum.Created) > 0, "%d of %d acknowledged orders are lost", lost, len(sum.Created)))
}

func (n namespace) restartsOfBoth() (int, error) {
	users, err := n.restarts("users")
	orders, failed := n.restarts("orders")
	return users + orders, errors.Join(err, failed)
}

// watchUnready looks until it is asked whether both services were seen without a
// pod that is ready.
func (n namespace) watchUnready() (seen func() bool) {
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
