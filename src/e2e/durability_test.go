//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// durability kills processes and takes PostgreSQL away while orders are placed.
func durability(t *testing.T, r *resilience) {
	r.prove(t, scenario{
		name:     "SIGKILL of orders' processes, while every order has an Idempotency-Key and is sent until acknowledged",
		demand:   "orders stored = keys sent, every acknowledged one among them",
		run:      func() (string, error) { return r.killing() },
		controls: []control{{without: "the keys", run: func() (string, error) { return r.killing("-keys=false") }}},
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
			return measured, errors.Join(err, demand(seen(), "no pod became unready"))
		},
	})
}

// killing kills the processes of orders, one node's after the other's, and
// compares the orders that are stored with those that were sent. PostgreSQL's
// commits are slow meanwhile, so that a process is likely killed between the
// commit and its answer.
func (r *resilience) killing(flags ...string) (string, error) {
	name := "k" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	if err := r.commitDelay("50000"); err != nil {
		return "", err
	}
	sum, err := r.during(some, r.killAll, append([]string{"-posts=100", "-resend", "-name=" + name, "-rate=" + strconv.Itoa(gentle)}, flags...)...)
	if err := errors.Join(err, r.commitDelay("0")); err != nil {
		return sum.String(), err
	}
	stored, err := r.psql("orders", "SELECT count(*) || ' ' || count(DISTINCT product) FROM orders WHERE product LIKE '"+name+" %'")
	rows, keys, _ := strings.Cut(stored, " ")
	lost, failed := r.lost(sum.Created)
	want := strconv.Itoa(sum.Sent)
	return fmt.Sprintf("%s orders sent, %d sent again; %s stored, of %s keys; %d acknowledged, %d of them lost", want, sum.Resent, rows, keys, len(sum.Created), lost),
		errors.Join(err, failed, r.settled(),
			cut(sum.Resent > 0),
			demand(rows == want && keys == want && lost == 0 && len(sum.Created) == sum.Sent, "%s rows of %s keys are stored, %d were sent, %d lost", rows, keys, sum.Sent, lost))
}

// cut demands that the kills have hit an order; else nothing was tried.
func cut(hit bool) error {
	if !hit {
		return errors.New("no order was cut")
	}
	return nil
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
		var kills []func() error
		for _, p := range pods {
			kills = append(kills, func() error { return p.onProcesses("kill -KILL") })
		}
		if err := inOrder(func() error { return atOnce(kills...) }, func() error { return n.killed("orders") }); err != nil {
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

// killed waits until the pods of a release serve again after their processes
// were killed.
func (n namespace) killed(release string) error {
	time.Sleep(2 * time.Second) // until the kubelet has seen it
	return n.kubectl("wait", "pod", "--selector="+servers(release), "--for=condition=Ready", "--timeout=2m").err
}

// restartPostgres has PostgreSQL's only pod replaced.
func (n namespace) restartPostgres() error {
	return inOrder(
		func() error { return n.kubectl("delete", "pod", "postgres-0").err },
		func() error { return n.kubectl("rollout", "status", "statefulset/postgres", "--timeout=2m").err })
}

// cutOff drops every packet to PostgreSQL for a time, at its node.
func (n namespace) cutOff(duration time.Duration) error {
	var p pod
	if err := n.kubectl("get", "pod", "postgres-0", "--output=json").into(&p); err != nil {
		return err
	}
	rule := func(action string) error {
		return run("docker", "exec", p.Spec.NodeName, "iptables", action, "FORWARD", "--destination", p.Status.PodIP, "--jump", "DROP").err
	}
	if err := rule("--insert"); err != nil {
		return err
	}
	time.Sleep(duration)
	return rule("--delete")
}

// withoutPostgres takes PostgreSQL away under load, and looks at what becomes of
// the pods and of what was acknowledged.
func (r *resilience) withoutPostgres(away func() error) (string, error) {
	before, err := r.restartsOfBoth()
	if err != nil {
		return "", err
	}
	var back time.Duration
	sum, err := r.during(some, func() error {
		err := away()
		began := time.Now()
		err = errors.Join(err, r.settled())
		back = time.Since(began)
		return err
	})
	after, failed := r.restartsOfBoth()
	lost, gone := r.lost(sum.Created)
	return fmt.Sprintf("well again after %.1f s; %d of %d acknowledged orders lost, %d restarts", back.Seconds(), lost, len(sum.Created), after-before),
		errors.Join(err, failed, gone,
			demand(back <= 15*time.Second, "it took %v", back),
			demand(after == before, "there were %d restarts", after-before),
			demand(lost == 0 && len(sum.Created) > 0, "%d of %d acknowledged orders are lost", lost, len(sum.Created)))
}

func (n namespace) restartsOfBoth() (int, error) {
	users, err := n.restarts("users")
	orders, failed := n.restarts("orders")
	return users + orders, errors.Join(err, failed)
}

// watchUnready looks until it is asked whether a pod of each service was seen
// that was not ready.
func (n namespace) watchUnready() (seen func() bool) {
	done, result := make(chan struct{}), make(chan bool)
	go func() {
		unready := map[string]bool{}
		for {
			for _, release := range []string{"users", "orders"} {
				pods, _ := n.pods(release)
				for _, p := range pods {
					unready[release] = unready[release] || !p.isReady()
				}
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
