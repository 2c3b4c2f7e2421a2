package charttest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExtraContainers(t *testing.T) {
	const values = "{" + postgres + `, autoscaling: {enabled: true}, extraContainers: [
		{name: proxy, image: "proxy:1", restartPolicy: Always},
		{name: log, image: "log:1", securityContext: {runAsNonRoot: true}}]}`

	t.Run("run beside the service, or before and after it as native sidecars", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, values)
			pod := podSpec(all.find(t, "Deployment"))
			require.Equal(t, []any{c.Name, "log"}, names(pod["containers"]))
			require.Equal(t, []any{"proxy"}, names(pod["initContainers"]))
			require.Equal(t, "Always", pod.at("initContainers.0.restartPolicy"))
			require.Equal(t, pod.at("containers.0.securityContext"), pod.at("initContainers.0.securityContext"), "the chart's own by default")
			require.Equal(t, true, pod.at("containers.1.securityContext.runAsNonRoot"))
			require.NotContains(t, all.find(t, "Pod")["spec"], "initContainers", "not in the test pod")
			require.NotContains(t, podSpec(render(t, c, "").find(t, "Deployment")), "initContainers")
		})
	})

	// A merge would take false and empty lists for absent.
	t.Run("have their own securityContext as a whole", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			pod := podSpec(render(t, c, `{extraContainers: [
				{name: writer, image: "writer:1", securityContext: {readOnlyRootFilesystem: false, capabilities: {drop: []}}},
				{name: empty, image: "empty:1", securityContext: null}]}`).find(t, "Deployment"))
			require.Equal(t, map[string]any{"readOnlyRootFilesystem": false, "capabilities": map[string]any{"drop": []any{}}},
				pod.at("containers.1.securityContext"))
			require.Equal(t, pod.at("containers.0.securityContext"), pod.at("containers.2.securityContext"))
		})
	})

	// Without that, each container would need a CPU request.
	t.Run("do not count for the autoscaler", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			metric := asObject(render(t, c, values).find(t, "HorizontalPodAutoscaler").at("spec.metrics.0"))
			require.Equal(t, "ContainerResource", metric["type"])
			require.Equal(t, podSpec(render(t, c, values).find(t, "Deployment")).at("containers.0.name"), metric.at("containerResource.container"))
			require.Equal(t, 80, metric.at("containerResource.target.averageUtilization"))
		})
	})
}

func TestExtraObjects(t *testing.T) {
	t.Run("are templates, as mappings or as text", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, `{commonAnnotations: {contact: shop}, extraObjects: [
				{apiVersion: v1, kind: Secret, metadata: {name: "{{ .Release.Name }}-a", labels: {app.kubernetes.io/name: own}}, stringData: {a: b}},
				"apiVersion: v1\nkind: Secret\nmetadata: {name: b}\ndata: {port: '{{ .Values.service.port | toString | b64enc }}'}"]}`)
			first, second := all.find(t, "Secret", c.Name+"-a"), all.find(t, "Secret", "b")
			require.Equal(t, "b", first.at("stringData.a"))
			labels := asMap(first.at("metadata.labels"))
			require.Equal(t, "own", labels["app.kubernetes.io/name"])
			require.Equal(t, c.Name, labels["app.kubernetes.io/instance"])
			require.Equal(t, "shop", second.at("metadata.annotations.contact"))
			require.NotEmpty(t, second.at("data.port"))
			require.Equal(t, c.Name, asMap(second.at("metadata.labels"))["app.kubernetes.io/name"])
		})
	})

	t.Run("may be several in one text, or none", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, `{extraObjects: ["{{ if .Values.ingress.enabled }}\nkind: Unused\n{{ end }}", "# Only a comment", ""]}`)
			require.Equal(t, render(t, c, ""), all)
			const text = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n--- # next\n" +
				"apiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {text: 'a --- b'}\n---\r\n"
			all = render(t, c, fmt.Sprintf("{extraObjects: [%q]}", text))
			for _, name := range []string{"a", "b"} {
				secret := all.find(t, "Secret", name)
				require.NotNil(t, secret, name)
				require.Equal(t, c.Name, asMap(secret.at("metadata.labels"))["app.kubernetes.io/name"])
			}
			require.Equal(t, "a --- b", all.find(t, "Secret", "b").at("stringData.text"))
		})
	})

	t.Run("are refused if they are no objects", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for _, item := range []string{`"kind: [x"`, `"- a"`, "word", "{kind: ConfigMap}", `"apiVersion: v1\nmetadata: {name: a}"`} {
				require.Contains(t, renderError(t, c, "{extraObjects: [{apiVersion: v1, kind: Secret, metadata: {name: a}}, "+item+"]}"),
					"extraObjects[1] is no object of Kubernetes", item)
			}
		})
	})
}

func TestServiceFields(t *testing.T) {
	t.Run("reach the Services", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, `{serviceMonitor: {enabled: true},
				service: {trafficDistribution: PreferClose, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]}}`)
			for _, name := range []string{c.Name, c.Name + "-headless", c.Name + "-metrics"} {
				service := all.find(t, "Service", name)
				require.Equal(t, "PreferDualStack", service.at("spec.ipFamilyPolicy"), name)
				require.Equal(t, []any{"IPv6", "IPv4"}, service.at("spec.ipFamilies"), name)
			}
			require.Equal(t, "PreferClose", all.find(t, "Service", c.Name).at("spec.trafficDistribution"))
			require.NotContains(t, all.find(t, "Service", c.Name+"-headless")["spec"], "trafficDistribution")
			for _, field := range []string{"trafficDistribution", "ipFamilyPolicy", "ipFamilies"} {
				require.NotContains(t, render(t, c, "").find(t, "Service", c.Name)["spec"], field)
			}
		})
	})
}

func TestPodFields(t *testing.T) {
	t.Run("reach server pods and test pods", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, "{revisionHistoryLimit: 3, hostUsers: false, dnsConfig: {options: [{name: ndots, value: '1'}]}}")
			require.Equal(t, 3, all.find(t, "Deployment").at("spec.revisionHistoryLimit"))
			for _, pod := range all.podSpecs() {
				require.Equal(t, false, pod["hostUsers"])
				require.Equal(t, "ndots", pod.at("dnsConfig.options.0.name"))
			}
			for _, pod := range render(t, c, "").podSpecs() {
				require.NotContains(t, pod, "hostUsers")
				require.NotContains(t, pod, "dnsConfig")
			}
		})
	})
}

func TestDrainingMetrics(t *testing.T) {
	// Endpoints, by which the Prometheus operator discovers by default, contain a
	// terminating pod only if the Service publishes addresses that are not ready.
	t.Run("are scraped by the defaults of the Prometheus operator", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Nil(t, render(t, c, "").find(t, "Service", c.Name+"-metrics"))
			all := render(t, c, "{serviceMonitor: {enabled: true}}")
			service := all.find(t, "Service", c.Name+"-metrics")
			require.Equal(t, true, service.at("spec.publishNotReadyAddresses"))
			require.True(t, selects(service.at("spec.selector"), all.find(t, "Deployment").at("spec.template.metadata.labels")))
			require.False(t, selects(service.at("spec.selector"), all.find(t, "Pod").at("metadata.labels")))
			endpoint := asObject(all.find(t, "ServiceMonitor").at("spec.endpoints.0"))
			require.Equal(t, service.at("spec.ports.0.name"), endpoint["port"])
			// The names of the series stay those by which rules and dashboards select them.
			require.Equal(t, []any{
				map[string]any{"targetLabel": "job", "replacement": c.Name}, map[string]any{"targetLabel": "service", "replacement": c.Name},
			}, endpoint["relabelings"])
		})
	})

	// With native histograms alone, the rules have no series: their alerts never fire.
	t.Run("have classic histograms too", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			monitor := render(t, c, "{serviceMonitor: {enabled: true}}").find(t, "ServiceMonitor")
			require.Equal(t, true, monitor.at("spec.scrapeClassicHistograms"))
			older := render(t, c, "{serviceMonitor: {enabled: true, scrapeClassicHistograms: false}}").find(t, "ServiceMonitor")
			require.NotContains(t, older["spec"], "scrapeClassicHistograms")
		})
	})
}
