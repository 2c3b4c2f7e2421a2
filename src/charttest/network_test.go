package charttest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tandem/src/charts/generate"
)

var (
	usersChart  = generate.Charts()[0]
	ordersChart = generate.Charts()[1]
)

func TestNetworkPolicy(t *testing.T) {
	// Without values users admits pods named orders and its own test pods, and orders
	// admits its namespace.
	t.Run("admits only callers and scrapers", func(t *testing.T) {
		policy := render(t, usersChart, "").find(t, "NetworkPolicy", "users")
		require.Equal(t, []any{"Ingress", "Egress"}, policy.at("spec.policyTypes"))
		peers := policy.at("spec.ingress.0.from").([]any)
		for _, caller := range []any{ // pods of orders, its test pods, and the test pods of users
			render(t, ordersChart, "").find(t, "Deployment").at("spec.template.metadata.labels"),
			render(t, ordersChart, "").find(t, "Pod").at("metadata.labels"),
			render(t, usersChart, "").find(t, "Pod").at("metadata.labels"),
		} {
			require.True(t, anyPeerSelects(peers, caller), caller)
		}
		for _, stranger := range []any{
			map[string]any{"app.kubernetes.io/name": "stranger"},
			renderRelease(t, usersChart, "other", "").find(t, "Pod").at("metadata.labels"),
			render(t, usersChart, "").find(t, "Deployment").at("spec.template.metadata.labels"),
		} {
			require.False(t, anyPeerSelects(peers, stranger), stranger)
		}

		for c, callers := range map[*chart]string{
			&usersChart:  "{podSelector: {matchLabels: {app.kubernetes.io/name: orders}}}, " + podPeer("users", "test"),
			&ordersChart: "{podSelector: {}}",
		} {
			for values, further := range map[string]string{
				"": "",
				"{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`:                                                          "",
				"{networkPolicy: {allowFrom: [{podSelector: {matchLabels: {a: b}}}], metricsFrom: [{namespaceSelector: {matchLabels: {c: d}}}]}}": ", {podSelector: {matchLabels: {a: b}}}, {namespaceSelector: {matchLabels: {c: d}}}",
			} {
				want := fmt.Sprintf("- {from: [%s%s], ports: [{port: %d, protocol: TCP}]}", callers, further, c.Port)
				require.Equal(t, parseList(t, want), render(t, *c, values).find(t, "NetworkPolicy", c.Name).at("spec.ingress"), "%s %s", c.Name, values)
			}
		}
	})

	// Compares the whole list, so that an unneeded rule fails too.
	t.Run("allows only the egress that is needed", func(t *testing.T) {
		for _, tt := range []struct {
			c      chart
			values string
			want   string
		}{
			{usersChart, "", egressToDNS},
			{ordersChart, "", egressToDNS + egressToUsers("shop")},
			{usersChart, "{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`, egressToDNS + egressToPort(5432) + egressToPort(4318)},
			{ordersChart, "{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`, egressToDNS + egressToUsers("shop") + egressToPort(5432) + egressToPort(4318)},
			{ordersChart, "{database: {existingSecret: db, port: 6432}}", egressToDNS + egressToUsers("shop") + egressToPort(6432)},
			{usersChart, `{telemetry: {otlpEndpoint: "https://collector.example.com/otlp"}}`, egressToDNS + egressToPort(443)},
			{usersChart, `{telemetry: {otlpEndpoint: "http://collector"}}`, egressToDNS + egressToPort(80)},
			{ordersChart, "{users: {namespace: accounts}}", egressToDNS + egressToUsers("accounts")},
			{ordersChart, `{users: {url: "http://users.example.com:8080/v1"}}`, egressToDNS + egressToPort(8080)},
			{ordersChart, `{users: {url: "https://users.example.com"}}`, egressToDNS + egressToPort(443)},
			{usersChart, "{networkPolicy: {allowTo: [{ipBlock: {cidr: 10.0.0.0/8}}]}}", egressToDNS + "- to: [{ipBlock: {cidr: 10.0.0.0/8}}]\n"},
			{usersChart, "{networkPolicy: {dnsTo: [{ipBlock: {cidr: 169.254.20.10/32}}]}}",
				"- {to: [{ipBlock: {cidr: 169.254.20.10/32}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}\n"},
		} {
			policy := render(t, tt.c, tt.values).find(t, "NetworkPolicy", tt.c.Name)
			require.Equal(t, parseList(t, tt.want), policy.at("spec.egress"), "%s %s", tt.c.Name, tt.values)
		}
	})

	t.Run("lets test pods reach their Service and nothing reach them", func(t *testing.T) {
		for _, tt := range []struct {
			c      chart
			values string
			want   string
		}{
			{usersChart, "", egressToDNS},
			{ordersChart, "", egressToDNS + egressToUsers("shop")},
			{usersChart, "{" + postgres + `, telemetry: {otlpEndpoint: "http://collector:4318"}}`, egressToDNS},
			{ordersChart, `{users: {url: "http://users.example.com:8080/v1"}}`, egressToDNS + egressToPort(8080)},
		} {
			all := render(t, tt.c, tt.values)
			policy := all.find(t, "NetworkPolicy", tt.c.Name+"-test-api")
			require.True(t, selects(policy.at("spec.podSelector.matchLabels"), all.find(t, "Pod").at("metadata.labels")))
			require.Equal(t, []any{"Ingress", "Egress"}, policy.at("spec.policyTypes"))
			require.Nil(t, policy.at("spec.ingress"))
			toService := fmt.Sprintf("- {to: [%s], ports: [{port: %d, protocol: TCP}]}\n", podPeer(tt.c.Name, "server"), tt.c.Port)
			require.Equal(t, parseList(t, toService+tt.want), policy.at("spec.egress"), "%s %s", tt.c.Name, tt.values)
		}
	})

	t.Run("can be disabled", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.NotContains(t, kinds(render(t, c, "{networkPolicy: {enabled: false}}")), "NetworkPolicy")
		})
	})
}

func TestIngressAndHTTPRoute(t *testing.T) {
	// /metrics and /health are for the cluster only.
	t.Run("expose only the API", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, "")
			require.NotContains(t, kinds(all), "Ingress")
			require.NotContains(t, kinds(all), "HTTPRoute")

			all = render(t, c, valueSets["exposed"])
			ingress, service := all.find(t, "Ingress"), all.find(t, "Service", c.Name)
			require.Len(t, ingress.at("spec.rules"), 2)
			for _, rule := range []string{"spec.rules.0", "spec.rules.1"} {
				require.Equal(t, []any{map[string]any{"path": c.Path, "pathType": "Prefix", "backend": map[string]any{
					"service": map[string]any{"name": service.at("metadata.name"), "port": map[string]any{"name": "http"}},
				}}}, (ingress.at(rule + ".http.paths")))
			}
			require.Equal(t, "b.example.com", ingress.at("spec.rules.1.host"))
			require.Equal(t, "tls", ingress.at("spec.tls.0.secretName"))

			route := all.find(t, "HTTPRoute")
			require.Equal(t, []any{map[string]any{
				"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": c.Path}}},
				"backendRefs": []any{map[string]any{"name": service.at("metadata.name"), "port": service.at("spec.ports.0.port")}},
			}}, (route.at("spec.rules")))
			require.Equal(t, "gateway", route.at("spec.parentRefs.0.name"))

			require.Nil(t, render(t, c, "{ingress: {enabled: true}}").find(t, "Ingress").at("spec.rules.0.host"))
		})
	})
}

func TestServiceMonitor(t *testing.T) {
	t.Run("scrapes each pod once", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.NotContains(t, kinds(render(t, c, "")), "ServiceMonitor")
			all := render(t, c, valueSets["exposed"])
			monitor := all.find(t, "ServiceMonitor")
			require.Equal(t, "/metrics", monitor.at("spec.endpoints.0.path"))
			require.Equal(t, "prometheus", monitor.at("metadata.labels.release"))
			selector := monitor.at("spec.selector.matchLabels")
			var selected []any
			for _, o := range all {
				if o["kind"] == "Service" && selects(selector, o.at("metadata.labels")) {
					selected = append(selected, o.at("metadata.name"))
				}
			}
			require.Equal(t, []any{c.Name + "-metrics"}, selected)
		})
	})
}

func TestUsersURL(t *testing.T) {
	// `helm install users …` and `helm install orders …` need no values: orders uses
	// the headless Service of users, whose port is the container's.
	t.Run("is the headless Service of users by default", func(t *testing.T) {
		headless := render(t, usersChart, "{service: {port: 80}}").find(t, "Service", "users-headless")
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
			require.Equal(t, want, all.configMap(t).at("data.USERS_URL"))
			require.Contains(t, all.find(t, "Pod").at("spec.containers.0.args"), "--users-url="+want)
		}
	})
}

func TestHelmTestPod(t *testing.T) {
	t.Run("runs the release's own image", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			test := all.find(t, "Pod")
			annotations := asMap(test.at("metadata.annotations"))
			require.Equal(t, "test", annotations["helm.sh/hook"])
			require.Equal(t, "before-hook-creation,hook-succeeded", annotations["helm.sh/hook-delete-policy"])
			require.Equal(t, podSpec(all.find(t, "Deployment")).at("containers.0.image"), test.at("spec.containers.0.image"))
			require.Equal(t, "Never", test.at("spec.restartPolicy"))
			require.Equal(t, "test", test.at("spec.containers.0.args.0"))
			url := test.at("spec.containers.0.args.1").(string)
			require.True(t, strings.HasPrefix(url, "--url=http://"+test.releaseName()+".shop.svc."), url)
		})
	})
}

// egressToDNS is the egress rule for the DNS servers.
const egressToDNS = `
- to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
`

// egressToUsers returns the egress rule for the users pods of a namespace.
func egressToUsers(namespace string) string {
	return "- {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: " + namespace +
		"}}, podSelector: {matchLabels: {app.kubernetes.io/name: users}}}], ports: [{port: 5001, protocol: TCP}]}\n"
}

// egressToPort returns the egress rule for a port at any address.
func egressToPort(port int) string {
	return fmt.Sprintf("- ports: [{port: %d, protocol: TCP}]\n", port)
}

// podPeer returns the NetworkPolicy peer that matches the pods of a release by
// component.
func podPeer(release, component string) string {
	return fmt.Sprintf("{podSelector: {matchLabels: {app.kubernetes.io/name: %s, app.kubernetes.io/instance: %[1]s, "+
		"app.kubernetes.io/component: %s}}}", release, component)
}

// parseList returns the items of a YAML list.
func parseList(t *testing.T, text string) any {
	t.Helper()
	var items []any
	require.NoError(t, yaml.Unmarshal([]byte(text), &items))
	return items
}

// anyPeerSelects reports whether one of the peers matches pods with these labels
// in the policy's own namespace.
func anyPeerSelects(peers []any, labels any) bool {
	for _, p := range peers {
		peer := asObject(p)
		if peer["namespaceSelector"] == nil && selects(peer.at("podSelector.matchLabels"), labels) {
			return true
		}
	}
	return false
}
