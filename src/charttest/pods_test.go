package charttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/telemetry"
)

func TestPodSecurity(t *testing.T) {
	// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
	t.Run("meets the restricted standard", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			for _, pod := range all.podSpecs() {
				require.Equal(t, true, pod.at("securityContext.runAsNonRoot"))
				require.Greater(t, pod.at("securityContext.runAsUser"), 0)
				require.Equal(t, "RuntimeDefault", pod.at("securityContext.seccompProfile.type"))
				require.Nil(t, pod.at("initContainers"))
				require.Len(t, pod.at("containers"), 1)
				require.Equal(t, map[string]any{
					"allowPrivilegeEscalation": false,
					"readOnlyRootFilesystem":   true,
					"capabilities":             map[string]any{"drop": []any{"ALL"}},
				}, pod.at("containers.0.securityContext"))
			}
		})
	})

	t.Run("mounts no token and sets no service links", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			account := all.find(t, "ServiceAccount")
			require.Equal(t, false, account.at("automountServiceAccountToken"))
			for _, pod := range all.podSpecs() {
				require.Equal(t, account.at("metadata.name"), pod.at("serviceAccountName"))
				require.Equal(t, false, pod.at("automountServiceAccountToken"))
				require.Equal(t, false, pod.at("enableServiceLinks"))
			}
		})
	})
}

func TestProbes(t *testing.T) {
	t.Run("request the health endpoint", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			pod := podSpec(all.find(t, "Deployment"))
			for probe, path := range map[string]string{"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/health?ready=1"} {
				require.Equal(t, map[string]any{"path": path, "port": "http"}, pod.at("containers.0."+probe+".httpGet"))
			}
			require.Equal(t, "http", pod.at("containers.0.ports.0.name"))
		})
	})
}

func TestShutdown(t *testing.T) {
	// The kubelet must not kill a process that drains, completes requests or flushes traces.
	t.Run("has a grace period longer than the process needs", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for _, seconds := range [][2]int{{5, 15}, {0, 0}, {4, 600}} {
				all := render(t, c, fmt.Sprintf("{config: {drainDelaySeconds: %d, shutdownTimeoutSeconds: %d}}", seconds[0], seconds[1]))
				settings := all.configMap(t)
				needed := telemetry.FlushTimeout + duration(t, settings.at("data.DRAIN_DELAY")) + duration(t, settings.at("data.SHUTDOWN_TIMEOUT"))
				grace := podSpec(all.find(t, "Deployment")).at("terminationGracePeriodSeconds").(int)
				require.Greater(t, time.Duration(grace)*time.Second, needed)
			}
		})
	})

	// When no other pod is left, kube-proxy sends traffic to terminating pods that are
	// ready. The first probe may fail immediately after the drain begins, so a pod is
	// ready for at least period × (threshold − 1).
	t.Run("keeps the pod ready until the drain ends", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			pod := podSpec(all.find(t, "Deployment"))
			probe := asObject(pod.at("containers.0.readinessProbe"))
			minReady := probe["periodSeconds"].(int) * (probe["failureThreshold"].(int) - 1)
			require.GreaterOrEqual(t, time.Duration(minReady)*time.Second, duration(t, all.configMap(t).at("data.DRAIN_DELAY")))
		})
		forEachChart(t, func(t *testing.T, c chart) {
			render(t, c, "{config: {drainDelaySeconds: 6}}")
			require.Contains(t, renderError(t, c, "{config: {drainDelaySeconds: 7}}"),
				"config.drainDelaySeconds is 7, but readiness probes may mark a draining pod unready after 6 s: "+
					"set readinessProbe.failureThreshold to 5 or more, or lower config.drainDelaySeconds.")
			render(t, c, "{config: {drainDelaySeconds: 7}, readinessProbe: {failureThreshold: 5}}")
			render(t, c, "{config: {drainDelaySeconds: 0}, readinessProbe: {failureThreshold: 1}}")
		})
	})
}

func TestMemoryLimit(t *testing.T) {
	// The process follows the limit of its container, which a resize of the pod changes: a variable would pin it.
	t.Run("is not pinned by GOMEMLIMIT", func(t *testing.T) {
		forEachValueSet(t, func(t *testing.T, _ chart, all objects) {
			pod := podSpec(all.find(t, "Deployment"))
			require.NotNil(t, pod.at("containers.0.resources.limits.memory"))
			require.Nil(t, env(pod, "GOMEMLIMIT"))
		})
	})
}

func TestConfigChecksum(t *testing.T) {
	t.Run("changes with the settings", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			checksum := func(values string) any {
				return asMap(render(t, c, values).find(t, "Deployment").at("spec.template.metadata.annotations"))["checksum/config"]
			}
			require.NotEmpty(t, checksum(""))
			require.Equal(t, checksum(""), checksum(""))
			require.NotEqual(t, checksum(""), checksum("{config: {logLevel: debug}}"))
		})
	})
}

func TestTelemetry(t *testing.T) {
	t.Run("identifies the pod in traces", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, `{telemetry: {otlpEndpoint: "http://collector:4318", samplingRatio: 0.5}}`)
			pod := podSpec(all.find(t, "Deployment"))
			require.Equal(t, "k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)",
				env(pod, "OTEL_RESOURCE_ATTRIBUTES"))
			require.Equal(t, map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}, env(pod, "POD_NAME"))
			settings := all.configMap(t)
			require.Equal(t, "http://collector:4318", settings.at("data.OTEL_EXPORTER_OTLP_ENDPOINT"))
			require.Equal(t, "parentbased_traceidratio", settings.at("data.OTEL_TRACES_SAMPLER"))
			require.Equal(t, "0.5", settings.at("data.OTEL_TRACES_SAMPLER_ARG"))

			all = render(t, c, "")
			require.Nil(t, all.configMap(t).at("data.OTEL_EXPORTER_OTLP_ENDPOINT"))
			require.Nil(t, env(podSpec(all.find(t, "Deployment")), "OTEL_RESOURCE_ATTRIBUTES"))
		})
	})
}

func TestImage(t *testing.T) {
	t.Run("is named by tag or digest", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for values, want := range map[string]string{
				"":                           "tandem/" + c.Name + ":0.1.0",
				"{image: {tag: dev}}":        "tandem/" + c.Name + ":dev",
				"{image: {repository: r/x}}": "r/x:0.1.0",
				`{image: {tag: dev, digest: "sha256:` + digest + `"}}`: "tandem/" + c.Name + "@sha256:" + digest,
			} {
				for _, pod := range render(t, c, values).podSpecs() {
					require.Equal(t, want, pod.at("containers.0.image"))
					require.Equal(t, "IfNotPresent", pod.at("containers.0.imagePullPolicy"))
				}
			}
		})
	})
}

func TestExtras(t *testing.T) {
	t.Run("reach the pods", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, valueSets["every extra"])
			deployment := all.find(t, "Deployment")
			pod := podSpec(deployment)
			require.Equal(t, "200", env(pod, "GOGC"))
			require.NotNil(t, volume(pod, "extra"))
			require.Contains(t, pod.at("containers.0.volumeMounts"), map[string]any{"name": "extra", "mountPath": "/extra"})
			require.Equal(t, "api", deployment.at("spec.template.metadata.labels.tier"))
			require.Equal(t, "pod", deployment.at("spec.template.metadata.annotations.note"))
			require.Equal(t, "rack", pod.at("topologySpreadConstraints.0.topologyKey"))
			require.NotNil(t, pod.at("affinity.nodeAffinity"))
			for _, pod := range all.podSpecs() {
				require.Equal(t, "ssd", pod.at("nodeSelector.disk"))
				require.Equal(t, "dedicated", pod.at("tolerations.0.key"))
				require.Equal(t, "high", pod.at("priorityClassName"))
				require.Equal(t, "registry", pod.at("imagePullSecrets.0.name"))
			}
			for _, o := range all {
				require.Equal(t, "shop", o.at("metadata.labels.team"), o["kind"])
				require.Equal(t, "shop", o.at("metadata.annotations.contact"), o["kind"])
			}
		})
	})

	t.Run("do not collide with the chart's own", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			pod := podSpec(render(t, c, `{extraEnv: [{name: GOMEMLIMIT, value: 100MiB}], database: {existingSecret: db}}`).find(t, "Deployment"))
			require.Equal(t, []any{"DATABASE_URL", "GOMEMLIMIT"}, names(pod.at("containers.0.env")))
			require.Equal(t, "100MiB", env(pod, "GOMEMLIMIT"))

			for _, values := range []string{"podAnnotations", "commonAnnotations"} {
				deployment := render(t, c, "{"+values+": {checksum/config: mine, note: pod}}").find(t, "Deployment")
				annotations := asMap(deployment.at("spec.template.metadata.annotations"))
				require.Len(t, annotations, 2)
				require.Len(t, annotations["checksum/config"], 64, "the chart's checksum, not the user's value")
				require.Equal(t, "pod", annotations["note"])
			}
			both := render(t, c, "{podAnnotations: {note: pod}, commonAnnotations: {note: all}}").find(t, "Deployment")
			require.Equal(t, "pod", both.at("spec.template.metadata.annotations.note"))
		})
	})
}

// names returns the name of each item of a list.
func names(list any) []any {
	var names []any
	items, _ := list.([]any)
	for _, item := range items {
		names = append(names, asObject(item)["name"])
	}
	return names
}

// duration parses a Go duration.
func duration(t *testing.T, text any) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text.(string))
	require.NoError(t, err)
	return d
}
