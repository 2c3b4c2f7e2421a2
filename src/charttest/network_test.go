package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	usersChart  = bothCharts()[0]
	ordersChart = bothCharts()[1]
)

// What may come in: users hears pods named orders and its own tests, orders
// hears its namespace, and both whom the values name.
func TestThePolicyLetsInWhoCalls(t *testing.T) {
	peers := func(c chart, values string) []any {
		policy := render(t, c, values).one(t, "NetworkPolicy", c.Name)
		require.Equal(t, []any{"Ingress", "Egress"}, policy.at("spec.policyTypes"))
		require.Len(t, policy.at("spec.ingress"), 1)
		require.Equal(t, []any{map[string]any{"port": c.Port, "protocol": "TCP"}}, (policy.at("spec.ingress.0.ports")))
		return policy.at("spec.ingress.0.from").([]any)
	}
	own := peers(usersChart, "")
	require.Len(t, own, 2)
	for _, caller := range []any{ // orders, its tests, and the tests of users
		render(t, ordersChart, "").one(t, "Deployment").at("spec.template.metadata.labels"),
		render(t, ordersChart, "").one(t, "Pod").at("metadata.labels"),
		render(t, usersChart, "").one(t, "Pod").at("metadata.labels"),
	} {
		require.True(t, anyPeerSelects(own, caller), caller)
	}
	for _, stranger := range []any{
		map[string]any{"app.kubernetes.io/name": "stranger"},
		renderRelease(t, usersChart, "other", "").one(t, "Pod").at("metadata.labels"),
		render(t, usersChart, "").one(t, "Deployment").at("spec.template.metadata.labels"),
	} {
		require.False(t, anyPeerSelects(own, stranger), stranger)
	}

	require.Equal(t, []any{map[string]any{"podSelector": map[string]any{}}}, (peers(ordersChart, "")))

	for _, c := range bothCharts() {
		named := peers(c, "{networkPolicy: {allowFrom: [{podSelector: {matchLabels: {a: b}}}], metricsFrom: [{namespaceSelector: {matchLabels: {c: d}}}]}}")
		require.Subset(t, (named), []any{
			map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"a": "b"}}},
			map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"c": "d"}}},
		})
	}
}

// What may go out, as "peer:port" with "*" for any peer.
func TestThePolicyLetsOutWhatIsNeeded(t *testing.T) {
	const (
		dns     = "kube-system/k8s-app=kube-dns:53"
		toUsers = "shop/app.kubernetes.io/name=users:5001"
	)
	for _, tt := range []struct {
		c      chart
		values string
		want   []string
	}{
		{usersChart, "", []string{dns}},
		{ordersChart, "", []string{dns, toUsers}},
		{usersChart, "{" + postgres + "}", []string{dns, "*:5432"}},
		{ordersChart, "{database: {existingSecret: db, port: 6432}}", []string{dns, toUsers, "*:6432"}},
		{usersChart, `{telemetry: {otlpEndpoint: "http://collector:4318"}}`, []string{dns, "*:4318"}},
		{usersChart, `{telemetry: {otlpEndpoint: "https://collector.example.com/otlp"}}`, []string{dns, "*:443"}},
		{usersChart, `{telemetry: {otlpEndpoint: "http://collector"}}`, []string{dns, "*:80"}},
		{ordersChart, "{users: {namespace: accounts}}", []string{dns, "accounts/app.kubernetes.io/name=users:5001"}},
		{usersChart, "{networkPolicy: {allowTo: [{ipBlock: {cidr: 10.0.0.0/8}}]}}", []string{dns, "10.0.0.0/8:*"}},
	} {
		policy := render(t, tt.c, tt.values).one(t, "NetworkPolicy", tt.c.Name)
		require.ElementsMatch(t, tt.want, destinations(policy), "%s %s", tt.c.Name, tt.values)
	}
}

func TestTestPodsReachTheirServiceAndNothingReachesThem(t *testing.T) {
	further := map[string][]string{"orders": {"shop/app.kubernetes.io/name=users:5001"}}
	for _, c := range bothCharts() {
		want := further[c.Name]
		all := render(t, c, "")
		policy := all.one(t, "NetworkPolicy", c.Name+"-test-api")
		require.True(t, selects(policy.at("spec.podSelector.matchLabels"), all.one(t, "Pod").at("metadata.labels")))
		require.Equal(t, []any{"Ingress", "Egress"}, policy.at("spec.policyTypes"))
		require.Nil(t, policy.at("spec.ingress"))
		own := asObject(policy.at("spec.egress.0"))
		require.True(t, selects(own.at("to.0.podSelector.matchLabels"), all.one(t, "Deployment").at("spec.template.metadata.labels")))
		require.Equal(t, c.Port, own.at("ports.0.port"))
		require.Subset(t, destinations(policy), append(want, "kube-system/k8s-app=kube-dns:53"))
		require.Len(t, policy.at("spec.egress"), 2+len(want))
	}
}

func TestThePolicyCanBeLeftOut(t *testing.T) {
	for _, c := range bothCharts() {
		require.NotContains(t, kinds(render(t, c, "{networkPolicy: {enabled: false}}")), "NetworkPolicy")
	}
}

// Only the API is to be seen from outside: not /metrics, not /health.
func TestIngressAndRouteLeadToTheAPIAlone(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, "")
		require.NotContains(t, kinds(all), "Ingress")
		require.NotContains(t, kinds(all), "HTTPRoute")

		all = render(t, c, valueSets["exposed"])
		ingress, service := all.one(t, "Ingress"), all.one(t, "Service", c.Name)
		require.Len(t, ingress.at("spec.rules"), 2)
		for _, rule := range []string{"spec.rules.0", "spec.rules.1"} {
			require.Equal(t, []any{map[string]any{"path": c.Path, "pathType": "Prefix", "backend": map[string]any{
				"service": map[string]any{"name": service.at("metadata.name"), "port": map[string]any{"name": "http"}},
			}}}, (ingress.at(rule + ".http.paths")))
		}
		require.Equal(t, "b.example.com", ingress.at("spec.rules.1.host"))
		require.Equal(t, "tls", ingress.at("spec.tls.0.secretName"))

		route := all.one(t, "HTTPRoute")
		require.Equal(t, []any{map[string]any{
			"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": c.Path}}},
			"backendRefs": []any{map[string]any{"name": service.at("metadata.name"), "port": service.at("spec.ports.0.port")}},
		}}, (route.at("spec.rules")))
		require.Equal(t, "gateway", route.at("spec.parentRefs.0.name"))

		require.Nil(t, render(t, c, "{ingress: {enabled: true}}").one(t, "Ingress").at("spec.rules.0.host"))
	}
}

func TestEachPodIsScrapedOnce(t *testing.T) {
	for _, c := range bothCharts() {
		require.NotContains(t, kinds(render(t, c, "")), "ServiceMonitor")
		all := render(t, c, valueSets["exposed"])
		monitor := all.one(t, "ServiceMonitor")
		require.Equal(t, "/metrics", monitor.at("spec.endpoints.0.path"))
		require.Equal(t, "prometheus", monitor.at("metadata.labels.release"))
		selector := monitor.at("spec.selector.matchLabels")
		require.True(t, selects(selector, all.one(t, "Service", c.Name).at("metadata.labels")))
		require.False(t, selects(selector, all.one(t, "Service", c.Name+"-headless").at("metadata.labels")))
	}
}

// The two lines `helm install users …` and `helm install orders …` need no
// values: orders finds the headless Service of users at the pods' own port.
func TestOrdersFindsUsers(t *testing.T) {
	headless := render(t, usersChart, "{service: {port: 80}}").one(t, "Service", "users-headless")
	require.Equal(t, "None", headless.at("spec.clusterIP"))
	require.Equal(t, false, headless.at("spec.publishNotReadyAddresses"))
	require.Equal(t, 5001, headless.at("spec.ports.0.port"))

	for values, want := range map[string]string{
		"":                                 "http://users-headless.shop.svc.cluster.local.:5001",
		"{users: {namespace: accounts}}":   "http://users-headless.accounts.svc.cluster.local.:5001",
		"{users: {service: b-headless}}":   "http://b-headless.shop.svc.cluster.local.:5001",
		"{clusterDomain: example.test}":    "http://users-headless.shop.svc.example.test.:5001",
		`{users: {url: "https://u.test"}}`: "https://u.test",
	} {
		all := render(t, ordersChart, values)
		require.Equal(t, want, all.settings(t).at("data.USERS_URL"))
		require.Contains(t, all.one(t, "Pod").at("spec.containers.0.args"), "--users-url="+want)
	}
}

func TestHelmTestRunsTheReleasesOwnImage(t *testing.T) {
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		test := all.one(t, "Pod")
		annotations := asMap(test.at("metadata.annotations"))
		require.Equal(t, "test", annotations["helm.sh/hook"])
		require.Equal(t, "before-hook-creation,hook-succeeded", annotations["helm.sh/hook-delete-policy"])
		require.Equal(t, podOf(all.one(t, "Deployment")).at("containers.0.image"), test.at("spec.containers.0.image"))
		require.Equal(t, "Never", test.at("spec.restartPolicy"))
		require.Equal(t, "test", test.at("spec.containers.0.args.0"))
		url := test.at("spec.containers.0.args.1").(string)
		require.True(t, strings.HasPrefix(url, "--url=http://"+test.release()+".shop.svc."), url)
	})
}

// destinations lists what a policy's egress rules allow, as "peer:port".
func destinations(policy object) []string {
	var all []string
	rules, _ := policy.at("spec.egress").([]any)
	for i := range rules {
		rule := asObject(rules[i])
		peer, port := "*", "*"
		if namespace := rule.at("to.0.namespaceSelector.matchLabels"); namespace != nil {
			peer = asMap(namespace)["kubernetes.io/metadata.name"].(string)
			for label, value := range asMap(rule.at("to.0.podSelector.matchLabels")) {
				peer += "/" + label + "=" + value.(string)
			}
		} else if block := rule.at("to.0.ipBlock.cidr"); block != nil {
			peer = block.(string)
		} else if rule["to"] != nil {
			continue // a selector of pods of the same namespace
		}
		if number := rule.at("ports.0.port"); number != nil {
			port = text(number)
		}
		all = append(all, peer+":"+port)
	}
	return all
}

// anyPeerSelects reports whether one of a policy's peers is a selector of pods
// of the same namespace that finds these labels.
func anyPeerSelects(peers []any, labels any) bool {
	for _, p := range peers {
		peer := asObject(p)
		if peer["namespaceSelector"] == nil && selects(peer.at("podSelector.matchLabels"), labels) {
			return true
		}
	}
	return false
}
