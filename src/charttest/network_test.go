package charttest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var (
	usersChart  = bothCharts()[0]
	ordersChart = bothCharts()[1]
)

// What may come in: users hears pods named orders and its own tests, orders
// hears its namespace, and both whom the values name.
func TestThePolicyLetsInWhoCalls(t *testing.T) {
	policy := render(t, usersChart, "").one(t, "NetworkPolicy", "users")
	require.Equal(t, []any{"Ingress", "Egress"}, policy.at("spec.policyTypes"))
	own := policy.at("spec.ingress.0.from").([]any)
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

	for c, callers := range map[*chart]string{
		&usersChart:  "{podSelector: {matchLabels: {app.kubernetes.io/name: orders}}}, " + pods("users", "test"),
		&ordersChart: "{podSelector: {}}",
	} {
		for values, further := range map[string]string{
			"": "",
			"{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`:                                                          "",
			"{networkPolicy: {allowFrom: [{podSelector: {matchLabels: {a: b}}}], metricsFrom: [{namespaceSelector: {matchLabels: {c: d}}}]}}": ", {podSelector: {matchLabels: {a: b}}}, {namespaceSelector: {matchLabels: {c: d}}}",
		} {
			want := fmt.Sprintf("- {from: [%s%s], ports: [{port: %d, protocol: TCP}]}", callers, further, c.Port)
			require.Equal(t, rules(t, want), render(t, *c, values).one(t, "NetworkPolicy", c.Name).at("spec.ingress"), "%s %s", c.Name, values)
		}
	}
}

// What may go out, whole: a rule too many would be as wrong as one too few.
func TestThePolicyLetsOutWhatIsNeeded(t *testing.T) {
	for _, tt := range []struct {
		c      chart
		values string
		want   string
	}{
		{usersChart, "", toDNS},
		{ordersChart, "", toDNS + toUsers("shop")},
		{usersChart, "{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`, toDNS + toPort(5432) + toPort(4318)},
		{ordersChart, "{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`, toDNS + toUsers("shop") + toPort(5432) + toPort(4318)},
		{ordersChart, "{database: {existingSecret: db, port: 6432}}", toDNS + toUsers("shop") + toPort(6432)},
		{usersChart, `{telemetry: {otlpEndpoint: "https://collector.example.com/otlp"}}`, toDNS + toPort(443)},
		{usersChart, `{telemetry: {otlpEndpoint: "http://collector"}}`, toDNS + toPort(80)},
		{ordersChart, "{users: {namespace: accounts}}", toDNS + toUsers("accounts")},
		{ordersChart, `{users: {url: "http://users.example.com:8080/v1"}}`, toDNS + toPort(8080)},
		{ordersChart, `{users: {url: "https://users.example.com"}}`, toDNS + toPort(443)},
		{usersChart, "{networkPolicy: {allowTo: [{ipBlock: {cidr: 10.0.0.0/8}}]}}", toDNS + "- to: [{ipBlock: {cidr: 10.0.0.0/8}}]\n"},
		{usersChart, "{networkPolicy: {dnsTo: [{ipBlock: {cidr: 169.254.20.10/32}}]}}",
			"- {to: [{ipBlock: {cidr: 169.254.20.10/32}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}\n"},
	} {
		policy := render(t, tt.c, tt.values).one(t, "NetworkPolicy", tt.c.Name)
		require.Equal(t, rules(t, tt.want), policy.at("spec.egress"), "%s %s", tt.c.Name, tt.values)
	}
}

func TestTestPodsReachTheirServiceAndNothingReachesThem(t *testing.T) {
	for _, tt := range []struct {
		c      chart
		values string
		want   string
	}{
		{usersChart, "", toDNS},
		{ordersChart, "", toDNS + toUsers("shop")},
		{usersChart, "{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`, toDNS},
		{ordersChart, `{users: {url: "http://users.example.com:8080/v1"}}`, toDNS + toPort(8080)},
	} {
		all := render(t, tt.c, tt.values)
		policy := all.one(t, "NetworkPolicy", tt.c.Name+"-test-api")
		require.True(t, selects(policy.at("spec.podSelector.matchLabels"), all.one(t, "Pod").at("metadata.labels")))
		require.Equal(t, []any{"Ingress", "Egress"}, policy.at("spec.policyTypes"))
		require.Nil(t, policy.at("spec.ingress"))
		own := fmt.Sprintf("- {to: [%s], ports: [{port: %d, protocol: TCP}]}\n", pods(tt.c.Name, "server"), tt.c.Port)
		require.Equal(t, rules(t, own+tt.want), policy.at("spec.egress"), "%s %s", tt.c.Name, tt.values)
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

// toDNS is the egress rule that every pod needs.
const toDNS = `
- to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
`

// toUsers is the egress rule for the users pods of a namespace.
func toUsers(namespace string) string {
	return "- {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: " + namespace +
		"}}, podSelector: {matchLabels: {app.kubernetes.io/name: users}}}], ports: [{port: 5001, protocol: TCP}]}\n"
}

// toPort is the egress rule for a port of whoever has it.
func toPort(port int) string { return fmt.Sprintf("- ports: [{port: %d, protocol: TCP}]\n", port) }

// pods is the peer that a release's own pods are.
func pods(release, component string) string {
	return fmt.Sprintf("{podSelector: {matchLabels: {app.kubernetes.io/name: %s, app.kubernetes.io/instance: %[1]s, app.kubernetes.io/component: %s}}}", release, component)
}

func rules(t *testing.T, text string) any {
	t.Helper()
	var rules []any
	require.NoError(t, yaml.Unmarshal([]byte(text), &rules))
	return rules
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
