//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// addressGroups are the names and sizes of the groups of addresses. Each is of one of the
// three users pods: those of the first die first, then also those of the second. They are
// more than a DNS response over UDP has room for.
var addressGroups = []addressGroup{{"ten", 10}, {"most", 125}, {"rest", 15}}

type addressGroup struct {
	name string
	size int
}

// groupLabel is on the Services of a group and on the pod behind them.
const groupLabel = "addresses"

// verifyAddresses makes orders call users at 150 addresses. They are the cluster IPs of as
// many Services, because 150 pods are more than a small machine can run. orders does not
// see a difference: it looks up a headless Service with 150 addresses, each of which
// accepts connections, or none when the pod behind it has died.
func verifyAddresses(t *testing.T, r *resilience) {
	if !controlsEnabled() {
		return
	}
	withoutEjection := r.without("ejection", "ejection")
	withoutEjection.run = func() (string, error) { return r.callManyAddresses(1) }
	r.verify(t, scenario{
		name: "users at 150 addresses, of which 10 die, and then 125 more",
		requirement: "the busiest address gets ≤ 1.5 × the requests of the idlest; compared with 3 addresses, orders allocates ≤ 1.1 × " +
			"the memory for a request and sends no more DNS queries; " +
			"0 failed, degraded or refused while 10 are dead, and from 5 s on while 135 are",
		run:      func() (string, error) { return r.callManyAddresses(max(1, r.requests/requestsPerRound)) },
		controls: []control{withoutEjection},
	})
}

// requestsPerRound is how many of the requests of a long run make another round of 3 and of
// 150 addresses, so that other work of the machine falls on both.
const requestsPerRound = 6000

// callManyAddresses measures what 3 and 150 addresses cost, in turn and as often as rounds
// says, and what happens when some of the 150 die.
func (r *resilience) callManyAddresses(rounds int) (measured string, err error) {
	defer func() { err = errors.Join(err, r.removeAddresses()) }()
	var a *addresses
	var report addressesReport
	err = inOrder(
		func() (err error) { a, err = r.addAddresses(); return err },
		func() (err error) { report.few, report.many, err = a.compare(rounds); return err },
		func() (err error) { report.ten, err = a.kill(0); return err },
		func() (err error) { report.most, err = a.kill(1); return err })
	if err != nil {
		return "", err
	}
	return report.String(), report.expect()
}

// addressesReport is what 3 and 150 addresses cost, and what clients saw when 10 and then
// 125 more of the 150 died.
type addressesReport struct {
	few, many addressesCost
	ten, most deathReport
}

func (r addressesReport) String() string {
	return fmt.Sprintf("%.2f; memory for a request %.2f, processor time %.2f, %d DNS queries instead of %d; "+
		"while 10 are dead: %v; while 135 are: %v, the last after %.1f s",
		r.many.shares, r.many.bytes/r.few.bytes, r.many.seconds/r.few.seconds, r.many.queries, r.few.queries,
		r.ten, r.most, r.most.lastUnsuccessful().Seconds())
}

func (r addressesReport) expect() error {
	return errors.Join(
		require(r.many.shares <= 1.5, "the busiest address gets %.2f times the requests of the idlest", r.many.shares),
		require(r.many.bytes <= 1.1*r.few.bytes, "a request takes %.0f bytes instead of %.0f", r.many.bytes, r.few.bytes),
		// Each look-up sends two, and the first of a measurement may just be within it.
		require(r.many.queries <= r.few.queries+6, "%d DNS queries are sent instead of %d", r.many.queries, r.few.queries),
		r.few.expectNoneUnsuccessful(), r.many.expectNoneUnsuccessful(), r.ten.expectNoneUnsuccessful(),
		require(r.most.Failed == 0, "%d requests fail", r.most.Failed),
		require(r.most.lastUnsuccessful() <= 5*time.Second, "the live addresses are found after %v", r.most.lastUnsuccessful()))
}

// addresses are those at which orders calls users.
type addresses struct {
	*resilience
	pods []pod    // one for each group
	ips  []string // of all groups
}

// addAddresses creates the Services, and makes orders call them.
func (r *resilience) addAddresses() (*addresses, error) {
	pods, err := r.pods("users")
	if err != nil || len(pods) != len(addressGroups) {
		return nil, errors.Join(err, fmt.Errorf("users has %d pods", len(pods)))
	}
	a := &addresses{resilience: r, pods: pods}
	var manifest strings.Builder
	manifest.WriteString(addressesManifest)
	for i, group := range addressGroups {
		err = errors.Join(err, r.kubectl("label", "pod", pods[i].Metadata.Name, groupLabel+"="+group.name).err)
		for n := range group.size {
			fmt.Fprintf(&manifest, addressManifest, fmt.Sprintf("address-%s-%d", group.name, n), group.name, group.name)
		}
	}
	return a, inOrder(
		func() error { return err },
		func() error {
			return runWithInput(manifest.String(), "kubectl", "--namespace="+string(r.namespace), "create", "--filename=-").err
		},
		func() error {
			list := r.kubectl("get", "services", "--selector="+groupLabel+","+groupLabel+"!=all", "--output=jsonpath={.items[*].spec.clusterIP}")
			a.ips = strings.Fields(list.stdout)
			return list.err
		},
		func() error { return a.publish(3) },
		func() error { return r.upgrade("orders", "orders", "--set=users.service=addresses") },
		r.waitUntilHealthy)
}

// removeAddresses reverts addAddresses.
func (r *resilience) removeAddresses() error {
	return inOrder(
		func() error { return r.upgrade("orders", "orders", "--set=users.service=") },
		func() error { return forEachWorker(stopCountingRequests) },
		func() error {
			return r.kubectl("delete", "services,endpointslices", "--selector="+groupLabel, "--wait=false").err
		},
		func() error {
			return r.kubectl("label", "pods", "--selector="+serverSelector("users"), groupLabel+"-").err
		},
		r.waitUntilHealthy)
}

// publish makes the first n addresses those of the headless Service.
func (a *addresses) publish(n int) error {
	var endpoints strings.Builder
	for _, ip := range a.ips[:n] {
		fmt.Fprintf(&endpoints, "  - addresses: [%q]\n", ip)
	}
	manifest := fmt.Sprintf(endpointsManifest, endpoints.String())
	return runWithInput(manifest, "kubectl", "--namespace="+string(a.namespace), "apply", "--filename=-").err
}

// waitUntilKnown waits until every pod of orders uses n addresses of users.
func (a *addresses) waitUntilKnown(n int) error {
	return a.forEachPod("orders", "5002", func(s service) error {
		return eventually(time.Minute, func() error {
			known, err := s.metricValue(`http_client_addresses{server_address="users-service",state="healthy"}`)
			if err == nil && int(known) != n {
				err = fmt.Errorf("orders uses %.0f addresses instead of %d", known, n)
			}
			return err
		})
	})
}

// addressesCost is what orders uses for a request, and how it calls the addresses.
type addressesCost struct {
	loadReport
	seconds, bytes float64 // for each request
	queries        int     // DNS queries of one pod
	shares         float64 // requests to the busiest address ÷ to the idlest
}

// compare returns the sums of what 3 and all addresses cost in each round.
func (a *addresses) compare(rounds int) (few, many addressesCost, err error) {
	for range rounds {
		err = errors.Join(err, few.add(a.measure(3)), many.add(a.measure(len(a.ips))))
	}
	return few, many, err
}

// add adds the cost of another round, or returns the error of that round.
func (c *addressesCost) add(round addressesCost, err error) error {
	c.Sent, c.Failed, c.Degraded, c.Refused = c.Sent+round.Sent, c.Failed+round.Failed, c.Degraded+round.Degraded, c.Refused+round.Refused
	c.seconds, c.bytes, c.queries = c.seconds+round.seconds, c.bytes+round.bytes, c.queries+round.queries
	c.shares = max(c.shares, round.shares)
	return err
}

// measure sends load for 30 s while users has n addresses, and some before, so that the
// connections are open.
func (a *addresses) measure(n int) (cost addressesCost, err error) {
	flags := []string{rate(2 * defaultRate), "-posts=0", "-new-connections=0"}
	var before addressesCost
	err = inOrder(
		func() error { return a.publish(n) },
		func() error { return a.waitUntilKnown(n) },
		func() error { _, err := a.during(1000, noop, flags...); return err },
		func() error { return forEachWorker(func(node string) error { return countRequests(node, a.ips[:n]) }) },
		func() (err error) { before, err = a.usedByOrders(); return err })
	if err != nil {
		return cost, err
	}
	cost.loadReport, err = a.during(manyRequests, func() error { time.Sleep(30 * time.Second); return nil }, flags...)
	after, usedErr := a.usedByOrders()
	shares, sharesErr := sharesOf(a.ips[:n])
	cost.seconds, cost.bytes = (after.seconds-before.seconds)/float64(cost.Sent), (after.bytes-before.bytes)/float64(cost.Sent)
	cost.queries, cost.shares = after.queries-before.queries, shares
	return cost, errors.Join(err, usedErr, sharesErr)
}

// usedByOrders returns what all pods of orders have used so far.
func (a *addresses) usedByOrders() (used addressesCost, err error) {
	pods, err := a.resilience.pods("orders")
	if err != nil {
		return used, err
	}
	for _, p := range pods {
		err = errors.Join(err, a.throughPod(p, "5002", func(s service) error {
			seconds, err := s.metricValue("process_cpu_seconds_total")
			bytes, bytesErr := s.metricValue("go_memstats_alloc_bytes_total")
			used.seconds, used.bytes = used.seconds+seconds, used.bytes+bytes
			return errors.Join(err, bytesErr)
		}))
		queries, queriesErr := p.dnsQueries()
		used.queries += queries
		err = errors.Join(err, queriesErr)
	}
	return used, err
}

// dnsQueries returns the number of UDP datagrams that a pod has sent. The services send
// UDP only for DNS queries.
func (p pod) dnsQueries() (int, error) {
	counted := run("docker", "exec", p.Spec.NodeName, "bash", "-c", fmt.Sprintf(
		`cd /proc && for process in [0-9]*; do
	if grep --quiet --no-messages --null-data --line-regexp HOSTNAME=%s $process/environ; then
		awk '/^Udp:/ { sent = $5 } END { print sent }' $process/net/snmp; exit
	fi
done`, p.Metadata.Name))
	if counted.err != nil {
		return 0, counted.err
	}
	return strconv.Atoi(strings.TrimSpace(counted.stdout))
}

// deathReport is what clients see when addresses die.
type deathReport struct {
	loadReport
	killed time.Time
}

// lastUnsuccessful returns the time from the deaths to the last request that was not
// answered in full.
func (d deathReport) lastUnsuccessful() time.Duration {
	return durationUntil(d.killed, max(d.LastFailed, d.LastDegraded))
}

// kill ends the process behind a group of addresses under load, and keeps the addresses
// in the DNS: connections to them are refused.
func (a *addresses) kill(group int) (report deathReport, err error) {
	dying := a.pods[group]
	report.loadReport, err = a.during(manyRequests, func() error {
		report.killed = time.Now()
		return concurrently(
			func() error { return dying.forEachProcess("kill -KILL") },
			func() error { return a.kubectl("label", "pod", dying.Metadata.Name, groupLabel+"-").err })
	})
	return report, err
}

// forEachWorker calls do with the name of each worker.
func forEachWorker(do func(node string) error) error {
	nodes, err := workers()
	for _, node := range nodes {
		err = errors.Join(err, do(node))
	}
	return err
}

// countRequests makes a node count the packets of pods to addresses that complete a
// request: those with the flag PSH.
func countRequests(node string, ips []string) error {
	rules := ":ADDRESSES - [0:0]\n"
	for _, ip := range ips {
		rules += "-A ADDRESSES -d " + ip + " -p tcp --tcp-flags PSH PSH\n"
	}
	return inOrder(
		func() error { return stopCountingRequests(node) },
		func() error {
			return runWithInput("*mangle\n"+rules+"-A PREROUTING -p tcp -j ADDRESSES\nCOMMIT\n",
				"docker", "exec", "--interactive", node, "iptables-restore", "--noflush").err
		})
}

func stopCountingRequests(node string) error {
	return run("docker", "exec", node, "bash", "-c",
		"iptables -t mangle -S ADDRESSES >/dev/null 2>&1 || exit 0; iptables -t mangle -D PREROUTING -p tcp -j ADDRESSES; "+
			"iptables -t mangle -F ADDRESSES; iptables -t mangle -X ADDRESSES").err
}

var countedRequests = regexp.MustCompile(`(?m)^\[(\d+):\d+\] -A ADDRESSES -d ([0-9.]+)/32 `)

// sharesOf returns the number of requests to the busiest address divided by that to the
// idlest.
func sharesOf(ips []string) (float64, error) {
	counts := map[string]int{}
	err := forEachWorker(func(node string) error {
		saved := run("docker", "exec", node, "iptables-save", "-c", "-t", "mangle")
		for _, found := range countedRequests.FindAllStringSubmatch(saved.stdout, -1) {
			count, _ := strconv.Atoi(found[1])
			counts[found[2]] += count
		}
		return saved.err
	})
	lowest, highest := math.Inf(1), 0.0
	for _, ip := range ips {
		lowest, highest = min(lowest, float64(counts[ip])), max(highest, float64(counts[ip]))
	}
	logDetail("requests to each address: from %.0f to %.0f", lowest, highest)
	return highest / max(lowest, 1), err
}

// addressesManifest is the headless Service that orders looks up. It selects no pods: its
// addresses are in endpointsManifest.
const addressesManifest = `
apiVersion: v1
kind: Service
metadata: {name: addresses, labels: {addresses: all}}
spec:
  clusterIP: None
  ports: [{name: http, port: 5001}]
`

// addressManifest is a Service whose cluster IP is one of the addresses; its parameters
// are its name and, twice, its group.
const addressManifest = `
---
apiVersion: v1
kind: Service
metadata: {name: %s, labels: {addresses: %s}}
spec:
  selector: {addresses: %s}
  ports: [{name: http, port: 5001, targetPort: http}]
`

// endpointsManifest has the list of the endpoints as its parameter.
const endpointsManifest = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: addresses-1, labels: {addresses: all, kubernetes.io/service-name: addresses}}
addressType: IPv4
ports: [{name: http, port: 5001, protocol: TCP}]
endpoints:
%s`
