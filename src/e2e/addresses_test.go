//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// addressGroups are the groups of addresses, which are together more than a DNS response
// over UDP has room for. Behind each is one of the three users pods: the first dies, and
// then the second, too.
var addressGroups = []addressGroup{{"ten", 10}, {"most", 125}, {"rest", 15}}

type addressGroup struct {
	name string
	size int
}

const (
	fewAddresses, manyAddresses = 3, 150
	// groupLabel is on the Services of a group and on the pod behind them.
	groupLabel = "addresses"
	// requestsPerRound is how many of the requests of a long run make another round of few
	// and of many addresses, so that other work of the machine falls on both.
	requestsPerRound = 6000
)

// verifyAddresses makes orders call users at 150 addresses. They are the cluster IPs of as
// many Services, because 150 pods are more than a small machine can run. orders does not
// see a difference: it looks up a headless Service with 150 addresses, each of which
// accepts connections, or none when the pod behind it has died.
func verifyAddresses(t *testing.T, r *resilience) {
	if !controlsEnabled() {
		return
	}
	withoutEjection := r.without("ejection", "ejection")
	withoutEjection.run = func() (string, error) { return r.withAddresses(r.killAddresses) }
	r.verify(t, scenario{
		name: "users at 150 addresses, at 200 requests/s on kept connections; then 10 of them die, and 125 more",
		requirement: "the busiest address gets ≤ 1.5 × the requests of the idlest; compared with 3 addresses, orders allocates ≤ 1.1 × " +
			"the memory for a request and looks up no more often; " +
			"0 failed, and 0 degraded or refused while 10 are dead, and from 5 s on while 135 are",
		run: func() (string, error) {
			return r.withAddresses(func(a *addresses) (string, error) {
				compared, err := a.compare(max(1, r.requests/requestsPerRound))
				if err != nil {
					return "", err
				}
				killed, err := r.killAddresses(a)
				return compared.String() + "; " + killed, errors.Join(compared.expect(), err)
			})
		},
		controls: []control{withoutEjection},
	})
}

// addresses are those at which orders calls users.
type addresses struct {
	*resilience
	pods   []pod    // of users, one for each group
	ips    []string // of all groups
	shells []shell  // in the pods of orders
}

// withAddresses calls do while orders calls users at the addresses.
func (r *resilience) withAddresses(do func(*addresses) (string, error)) (measured string, err error) {
	defer func() { err = errors.Join(err, r.removeAddresses()) }()
	a, err := r.addAddresses()
	if err != nil {
		return "", err
	}
	return do(a)
}

// addAddresses creates the Services, and makes orders call them.
func (r *resilience) addAddresses() (*addresses, error) {
	pods, err := r.pods("users")
	if err == nil && len(pods) != len(addressGroups) {
		err = fmt.Errorf("users has %d pods", len(pods))
	}
	if err != nil {
		return nil, err
	}
	a := &addresses{resilience: r, pods: pods}
	return a, inOrder(
		a.createServices,
		func() error { return a.publish(manyAddresses) },
		func() error { return r.upgradeAndReplace("orders", "--set=users.service=addresses") },
		a.openShells,
		r.waitUntilHealthy)
}

// openShells opens a shell in each pod of orders.
func (a *addresses) openShells() error {
	orders, err := a.resilience.pods("orders")
	for _, p := range orders {
		s, shellErr := a.debugShell(p.Metadata.Name, "dns")
		a.shells = append(a.shells, s)
		err = errors.Join(err, shellErr)
	}
	return err
}

// createServices creates a Service for each address and the headless one for all.
func (a *addresses) createServices() error {
	var manifest strings.Builder
	manifest.WriteString(addressesManifest)
	for i, group := range addressGroups {
		if err := a.kubectl("label", "pod", a.pods[i].Metadata.Name, groupLabel+"="+group.name).err; err != nil {
			return err
		}
		for n := range group.size {
			fmt.Fprintf(&manifest, addressManifest, fmt.Sprintf("address-%s-%d", group.name, n), group.name, group.name)
		}
	}
	created := runWithInput(manifest.String(), "kubectl", "--namespace="+string(a.namespace), "create", "--filename=-")
	if created.err != nil {
		return created.err
	}
	list := a.kubectl("get", "services", "--selector="+groupLabel+","+groupLabel+"!=all", "--output=jsonpath={.items[*].spec.clusterIP}")
	a.ips = strings.Fields(list.stdout)
	if list.err == nil && len(a.ips) != manyAddresses {
		return fmt.Errorf("%d addresses were created", len(a.ips))
	}
	return list.err
}

// removeAddresses reverts addAddresses, whatever part of it was done.
func (r *resilience) removeAddresses() error {
	return errors.Join(
		r.upgrade("orders", "orders", "--set=users.service="),
		forEachWorker(stopCountingRequests),
		r.kubectl("delete", "services,endpointslices", "--selector="+groupLabel).err,
		r.kubectl("label", "pods", "--selector="+serverSelector("users"), groupLabel+"-").err,
		r.waitUntilHealthy())
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

// keptConnections are the flags of a load that is the same with few and many addresses.
func keptConnections() []string {
	return []string{rate(2 * defaultRate), "-posts=0", "-new-connections=0"}
}

// comparison is what few and many addresses cost.
type comparison struct {
	few, many []addressesCost // of each round
}

// compare measures few and many addresses in turn.
func (a *addresses) compare(rounds int) (c comparison, err error) {
	for range rounds {
		few, err := a.measure(fewAddresses)
		if err != nil {
			return c, err
		}
		many, err := a.measure(manyAddresses)
		if err != nil {
			return c, err
		}
		c.few, c.many = append(c.few, few), append(c.many, many)
	}
	return c, nil
}

func (c comparison) String() string {
	last := len(c.many) - 1
	return fmt.Sprintf("%.2f; memory for a request %.2f, processor time %.2f, %.0f look-ups instead of %.0f; %v", c.shares(),
		mean(c.many, addressesCost.memory)/mean(c.few, addressesCost.memory), mean(c.many, addressesCost.time)/mean(c.few, addressesCost.time),
		mean(c.many, addressesCost.lookups), mean(c.few, addressesCost.lookups), c.many[last].loadReport)
}

// shares returns the highest ratio of any round.
func (c comparison) shares() (highest float64) {
	for _, round := range c.many {
		highest = max(highest, round.shares)
	}
	return highest
}

func (c comparison) expect() (err error) {
	for _, round := range append(c.few, c.many...) {
		err = errors.Join(err, round.expectNoneUnsuccessful())
	}
	fewMemory, manyMemory := mean(c.few, addressesCost.memory), mean(c.many, addressesCost.memory)
	fewLookups, manyLookups := mean(c.few, addressesCost.lookups), mean(c.many, addressesCost.lookups)
	return errors.Join(err,
		require(c.shares() <= 1.5, "the busiest address gets %.2f times the requests of the idlest", c.shares()),
		require(manyMemory <= 1.1*fewMemory, "a request takes %.0f bytes instead of %.0f", manyMemory, fewMemory),
		// Of each of the three pods, one look-up more may just be within the time, which varies a little.
		require(manyLookups <= 1.2*fewLookups+3, "there are %.0f look-ups instead of %.0f", manyLookups, fewLookups))
}

// addressesCost is what all pods of orders use, and how they call the addresses.
type addressesCost struct {
	loadReport
	seconds, bytes float64
	queries        int     // DNS queries over UDP
	shares         float64 // requests to the busiest address ÷ to the idlest
}

func (c addressesCost) time() float64   { return c.seconds / float64(c.Sent) }
func (c addressesCost) memory() float64 { return c.bytes / float64(c.Sent) }

// lookups returns the number of look-ups: each queries both families over UDP, and again
// over TCP if the response is truncated.
func (c addressesCost) lookups() float64 { return float64(c.queries) / 2 }

func mean(rounds []addressesCost, metric func(addressesCost) float64) (sum float64) {
	for _, round := range rounds {
		sum += metric(round) / float64(len(rounds))
	}
	return sum
}

// measure sends load for 30 s while users has n addresses, and some before, so that the
// connections are open.
func (a *addresses) measure(n int) (cost addressesCost, err error) {
	var before addressesCost
	err = inOrder(
		func() error { return a.publish(n) },
		func() error { return a.waitUntilKnown(n) },
		func() error { _, err := a.load.send(append(keptConnections(), "-requests=1000")...); return err },
		// Always all, so that the rules cost the same with few.
		func() error { return forEachWorker(func(node string) error { return countRequests(node, a.ips) }) },
		func() (err error) { before, err = a.usedByOrders(); return err })
	if err != nil {
		return cost, err
	}
	report, err := a.during(manyRequests, func() error { time.Sleep(30 * time.Second); return nil }, keptConnections()...)
	if err != nil {
		return cost, err
	}
	after, err := a.usedByOrders()
	if err == nil && after.queries == before.queries {
		err = errors.New("orders has sent no DNS query")
	}
	shares, sharesErr := sharesOf(a.ips[:n])
	return addressesCost{
		report, after.seconds - before.seconds, after.bytes - before.bytes, after.queries - before.queries, shares,
	}, errors.Join(err, sharesErr)
}

// usedByOrders returns what all pods of orders have used so far.
func (a *addresses) usedByOrders() (used addressesCost, err error) {
	for _, s := range a.shells {
		queries, queriesErr := s.udpDatagramsSent()
		used.queries += queries
		err = errors.Join(err, queriesErr)
	}
	pods, podsErr := a.resilience.pods("orders")
	for _, p := range pods {
		err = errors.Join(err, a.throughPod(p, "5002", func(s service) error {
			seconds, err := s.metricValue("process_cpu_seconds_total")
			bytes, bytesErr := s.metricValue("go_memstats_alloc_bytes_total")
			used.seconds, used.bytes = used.seconds+seconds, used.bytes+bytes
			return errors.Join(err, bytesErr)
		}))
	}
	return used, errors.Join(err, podsErr)
}

// killAddresses lets ten addresses die under load, and then most of the others.
func (r *resilience) killAddresses(a *addresses) (measured string, err error) {
	ten, err := a.kill(0)
	if err != nil {
		return "", err
	}
	most, err := a.kill(1)
	if err != nil {
		return "", err
	}
	last := most.lastUnsuccessful()
	return fmt.Sprintf("while 10 are dead: %v; while 135 are: %v, the last not in full after %.1f s", ten, most, last.Seconds()),
		errors.Join(ten.expectNoneUnsuccessful(),
			require(most.Failed == 0, "%d requests fail", most.Failed),
			require(last <= 5*time.Second, "the live addresses are found after %v", last))
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

// kill lets a group of addresses die under load, and keeps them in the DNS. First new
// connections are refused, while those that are open serve, and then the process behind
// them is killed: the other way round, the addresses would be back for a moment when its
// container has restarted.
func (a *addresses) kill(group int) (report deathReport, err error) {
	dying := a.pods[group]
	report.loadReport, err = a.during(manyRequests, func() error {
		return inOrder(
			func() error { return a.kubectl("label", "pod", dying.Metadata.Name, groupLabel+"-").err },
			func() error { return a.waitUntilRefused(addressGroups[group]) },
			func() error { report.killed = time.Now(); return dying.forEachProcess("kill -KILL") },
			func() error { time.Sleep(15 * time.Second); return nil }) // three times as long as calls may fail
	})
	return report, err
}

// waitUntilRefused waits until no pod of orders can connect to an address of a group.
func (a *addresses) waitUntilRefused(group addressGroup) error {
	ip := a.kubectl("get", "service", "address-"+group.name+"-0", "--output=jsonpath={.spec.clusterIP}")
	if ip.err != nil {
		return ip.err
	}
	return eventually(time.Minute, func() (err error) {
		for _, s := range a.shells {
			err = errors.Join(err, s.expectReachable(endpoint{"an address without pods", ip.stdout, 5001}, false))
		}
		return err
	})
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
