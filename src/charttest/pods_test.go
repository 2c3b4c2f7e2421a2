package charttest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/telemetry"
)

// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
func TestEveryPodIsRestricted(t *testing.T) {
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		for _, pod := range all.pods() {
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
}

func TestNoPodGetsATokenOrServiceLinks(t *testing.T) {
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		account := all.one(t, "ServiceAccount")
		require.Equal(t, false, account.at("automountServiceAccountToken"))
		for _, pod := range all.pods() {
			require.Equal(t, account.at("metadata.name"), pod.at("serviceAccountName"))
			require.Equal(t, false, pod.at("automountServiceAccountToken"))
			require.Equal(t, false, pod.at("enableServiceLinks"))
		}
	})
}

func TestProbesAskHealth(t *testing.T) {
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		pod := podOf(all.one(t, "Deployment"))
		for probe, path := range map[string]string{"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/health?ready=1"} {
			require.Equal(t, map[string]any{"path": path, "port": "http"}, pod.at("containers.0."+probe+".httpGet"))
		}
		require.Equal(t, "http", pod.at("containers.0.ports.0.name"))
	})
}

// The kubelet must not kill a process that still drains, finishes or flushes.
func TestThePodMayTakeAsLongAsTheProcess(t *testing.T) {
	for _, c := range bothCharts() {
		for _, seconds := range [][2]int{{5, 15}, {0, 0}, {4, 600}} {
			all := render(t, c, fmt.Sprintf("{config: {drainDelaySeconds: %d, shutdownTimeoutSeconds: %d}}", seconds[0], seconds[1]))
			settings := all.settings(t)
			need := telemetry.FlushTimeout + duration(t, settings.at("data.DRAIN_DELAY")) + duration(t, settings.at("data.SHUTDOWN_TIMEOUT"))
			grace := podOf(all.one(t, "Deployment")).at("terminationGracePeriodSeconds").(int)
			require.Greater(t, time.Duration(grace)*time.Second, need)
		}
	}
}

// kube-proxy falls back on terminating pods that still count as ready. The first
// of the failures that take it away may be at once.
func TestReadinessOutlastsTheDrain(t *testing.T) {
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		pod := podOf(all.one(t, "Deployment"))
		window := pod.at("containers.0.readinessProbe.periodSeconds").(int) * (pod.at("containers.0.readinessProbe.failureThreshold").(int) - 1)
		require.GreaterOrEqual(t, time.Duration(window)*time.Second, duration(t, all.settings(t).at("data.DRAIN_DELAY")))
	})
	for _, c := range bothCharts() {
		render(t, c, "{config: {drainDelaySeconds: 6}}")
		require.Contains(t, refusal(t, c, "{config: {drainDelaySeconds: 7}}"),
			"config.drainDelaySeconds is 7, but a pod that drains may be taken for unready after 6 s: set readinessProbe.failureThreshold to 5 or more, or lower config.drainDelaySeconds.")
		render(t, c, "{config: {drainDelaySeconds: 7}, readinessProbe: {failureThreshold: 5}}")
		render(t, c, "{config: {drainDelaySeconds: 0}, readinessProbe: {failureThreshold: 1}}")
	}
}

func TestGoKnowsOfNineTenthsOfTheMemory(t *testing.T) {
	for limit, want := range map[string]string{
		"256Mi": "230MiB", "1Gi": "921MiB", "1.5Gi": "1382MiB", "500M": "429MiB", "262144Ki": "230MiB", "268435456": "230MiB", "1G": "858MiB", "262144k": "225MiB",
	} {
		got := env(podOf(render(t, usersChart, fmt.Sprintf("{resources: {limits: {memory: %q}}}", limit)).one(t, "Deployment")), "GOMEMLIMIT")
		require.Equal(t, want, got, limit)
	}
	forEverySetup(t, func(t *testing.T, _ chart, all objects) {
		pod := podOf(all.one(t, "Deployment"))
		limit := mebibytes(t, pod.at("containers.0.resources.limits.memory"), "Mi")
		require.LessOrEqual(t, mebibytes(t, env(pod, "GOMEMLIMIT"), "MiB")*10, limit*9)
	})
	require.Nil(t, env(podOf(render(t, usersChart, "{resources: {limits: null}}").one(t, "Deployment")), "GOMEMLIMIT"))
}

func TestAChangedSettingReplacesThePods(t *testing.T) {
	for _, c := range bothCharts() {
		checksum := func(values string) any {
			return asMap(render(t, c, values).one(t, "Deployment").at("spec.template.metadata.annotations"))["checksum/config"]
		}
		require.NotEmpty(t, checksum(""))
		require.Equal(t, checksum(""), checksum(""))
		require.NotEqual(t, checksum(""), checksum("{config: {logLevel: debug}}"))
	}
}

func TestTracesNameThePodTheyComeFrom(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, `{telemetry: {otlpEndpoint: "http://collector:4318", samplingRatio: 0.5}}`)
		pod := podOf(all.one(t, "Deployment"))
		require.Equal(t, "k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)", env(pod, "OTEL_RESOURCE_ATTRIBUTES"))
		require.Equal(t, map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}, env(pod, "POD_NAME"))
		settings := all.settings(t)
		require.Equal(t, "http://collector:4318", settings.at("data.OTEL_EXPORTER_OTLP_ENDPOINT"))
		require.Equal(t, "parentbased_traceidratio", settings.at("data.OTEL_TRACES_SAMPLER"))
		require.Equal(t, "0.5", settings.at("data.OTEL_TRACES_SAMPLER_ARG"))

		all = render(t, c, "")
		require.Nil(t, all.settings(t).at("data.OTEL_EXPORTER_OTLP_ENDPOINT"))
		require.Nil(t, env(podOf(all.one(t, "Deployment")), "OTEL_RESOURCE_ATTRIBUTES"))
	}
}

func TestTheImageIsNamedByTagOrDigest(t *testing.T) {
	for _, c := range bothCharts() {
		for values, want := range map[string]string{
			"":                           "tandem/" + c.Name + ":0.1.0",
			"{image: {tag: dev}}":        "tandem/" + c.Name + ":dev",
			"{image: {repository: r/x}}": "r/x:0.1.0",
			`{image: {tag: dev, digest: "sha256:` + digest + `"}}`: "tandem/" + c.Name + "@sha256:" + digest,
		} {
			for _, pod := range render(t, c, values).pods() {
				require.Equal(t, want, pod.at("containers.0.image"))
				require.Equal(t, "IfNotPresent", pod.at("containers.0.imagePullPolicy"))
			}
		}
	}
}

func TestExtrasReachThePods(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, valueSets["every extra"])
		deployment := all.one(t, "Deployment")
		pod := podOf(deployment)
		require.Equal(t, "200", env(pod, "GOGC"))
		require.NotNil(t, volume(pod, "extra"))
		require.Contains(t, pod.at("containers.0.volumeMounts"), map[string]any{"name": "extra", "mountPath": "/extra"})
		require.Equal(t, "api", deployment.at("spec.template.metadata.labels.tier"))
		require.Equal(t, "pod", deployment.at("spec.template.metadata.annotations.note"))
		require.Equal(t, "rack", pod.at("topologySpreadConstraints.0.topologyKey"))
		require.NotNil(t, pod.at("affinity.nodeAffinity"))
		for _, pod := range all.pods() {
			require.Equal(t, "ssd", pod.at("nodeSelector.disk"))
			require.Equal(t, "dedicated", pod.at("tolerations.0.key"))
			require.Equal(t, "high", pod.at("priorityClassName"))
			require.Equal(t, "registry", pod.at("imagePullSecrets.0.name"))
		}
		for _, o := range all {
			require.Equal(t, "shop", o.at("metadata.labels.team"), o["kind"])
			require.Equal(t, "shop", o.at("metadata.annotations.contact"), o["kind"])
		}
	}
}

func TestExtrasDoNotMeetTheChartsOwn(t *testing.T) {
	for _, c := range bothCharts() {
		pod := podOf(render(t, c, `{extraEnv: [{name: GOMEMLIMIT, value: 100MiB}], database: {existingSecret: db}}`).one(t, "Deployment"))
		require.Equal(t, []any{"DATABASE_URL", "GOMEMLIMIT"}, names(pod.at("containers.0.env")))
		require.Equal(t, "100MiB", env(pod, "GOMEMLIMIT"))

		for _, values := range []string{"podAnnotations", "commonAnnotations"} {
			deployment := render(t, c, "{"+values+": {checksum/config: mine, note: pod}}").one(t, "Deployment")
			annotations := asMap(deployment.at("spec.template.metadata.annotations"))
			require.Len(t, annotations, 2)
			require.Len(t, annotations["checksum/config"], 64, "a sum, not the user's")
			require.Equal(t, "pod", annotations["note"])
		}
		both := render(t, c, "{podAnnotations: {note: pod}, commonAnnotations: {note: all}}").one(t, "Deployment")
		require.Equal(t, "pod", both.at("spec.template.metadata.annotations.note"))
	}
}

// names are those of the items of a list.
func names(list any) []any {
	var names []any
	items, _ := list.([]any)
	for _, item := range items {
		names = append(names, asObject(item)["name"])
	}
	return names
}

func duration(t *testing.T, text any) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text.(string))
	require.NoError(t, err)
	return d
}

func mebibytes(t *testing.T, quantity any, unit string) int {
	t.Helper()
	number, ok := strings.CutSuffix(quantity.(string), unit)
	require.True(t, ok, "%v is not in %s", quantity, unit)
	n, err := strconv.Atoi(number)
	require.NoError(t, err)
	return n
}
