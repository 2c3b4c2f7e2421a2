// Package charttest tests the Helm charts users and orders: it renders them with
// helm and checks the objects, the values schema and the generated files.
package charttest

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/charts/generate"
)

// chartsRoot is the folder of all charts.
const chartsRoot = "../../charts"

// minKubernetesVersion is the lowest version of Kubernetes that the charts admit.
const minKubernetesVersion = "1.30.0"

// digest is the hexadecimal part of an image digest.
const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

type chart = generate.Chart

// forEachChart runs a subtest for users and for orders.
func forEachChart(t *testing.T, test func(t *testing.T, c chart)) {
	t.Helper()
	for _, c := range generate.Charts() {
		t.Run(c.Name, func(t *testing.T) { test(t, c) })
	}
}

// valueSets are representative values by name. Tests of what must hold for all
// values use each of them.
var valueSets = map[string]string{
	"default":  "",
	"postgres": "{database: {existingSecret: db}, replicaCount: 3}",
	"autoscaled": `{database: {existingSecret: db},
		autoscaling: {enabled: true, behavior: {scaleDown: {stabilizationWindowSeconds: 10}}}}`,
	"exposed": `{serviceMonitor: {enabled: true, labels: {release: prometheus}}, dashboards: {enabled: true},
		prometheusRule: {enabled: true, labels: {release: prometheus}},
		ingress: {enabled: true, hosts: [a.example.com, b.example.com], tls: [{secretName: tls, hosts: [a.example.com]}]},
		httpRoute: {enabled: true, parentRefs: [{name: gateway, namespace: gateways}], hostnames: [a.example.com]}}`,
	"every extra": `{prometheusRule: {enabled: true, kind: ConfigMap}, fullnameOverride: other,
		clusterDomain: example.test, minReadySeconds: 0,
		image: {digest: "sha256:` + digest + `"}, imagePullSecrets: [{name: registry}],
		telemetry: {otlpEndpoint: "http://collector:4318"}, persistence: {enabled: false},
		nodeSelector: {disk: ssd}, tolerations: [{key: dedicated, operator: Exists}], priorityClassName: high,
		affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}},
		topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}],
		serviceAccount: {name: account, annotations: {role: reader}}, 
		service: {annotations: {balancer: internal}, trafficDistribution: PreferClose, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]},
		commonLabels: {team: shop}, commonAnnotations: {contact: shop}, podLabels: {tier: api}, podAnnotations: {note: pod},
		revisionHistoryLimit: 3, hostUsers: false, dnsConfig: {options: [{name: ndots, value: "1"}]},
		extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-extra", namespace: "{{ .Release.Namespace }}"}}],
		test: {annotations: {argocd.argoproj.io/hook: PostSync}},
		extraEnv: [{name: GOGC, value: "200"}], extraVolumes: [{name: extra, emptyDir: {}}],
		extraVolumeMounts: [{name: extra, mountPath: /extra}],
		networkPolicy: {allowFrom: [{podSelector: {}}], metricsFrom: [{namespaceSelector: {}}], allowTo: [{ipBlock: {cidr: 10.0.0.0/8}}]}}`,
}

// forEachValueSet runs a subtest for both charts with each of valueSets and with
// values-production.yaml.
func forEachValueSet(t *testing.T, test func(t *testing.T, c chart, all objects)) {
	t.Helper()
	forEachChart(t, func(t *testing.T, c chart) {
		production, err := os.ReadFile(chartFile(c.Name, "values-production.yaml"))
		require.NoError(t, err)
		sets := maps.Clone(valueSets)
		sets["production"] = string(production)
		for name, values := range sets {
			t.Run(name, func(t *testing.T) { test(t, c, render(t, c, values)) })
		}
	})
}

// chartFile returns the path of a file of a chart.
func chartFile(chart, name string) string { return filepath.Join(chartsRoot, chart, name) }

// render returns the objects of a release that is named like its chart, in the
// namespace "shop".
func render(t *testing.T, c chart, values string) objects {
	t.Helper()
	return renderRelease(t, c, c.Name, values)
}

// manifests caches what helm renders, by chart, release and values: several tests
// use the same ones.
var manifests sync.Map

// renderRelease returns the objects of a release in the namespace "shop".
func renderRelease(t *testing.T, c chart, release, values string) objects {
	t.Helper()
	key := [...]string{c.Name, release, values}
	manifest, cached := manifests.Load(key)
	if !cached {
		var err error
		manifest, err = helmTemplate(t, c, release, values)
		require.NoError(t, err)
		manifests.Store(key, manifest)
	}
	return decode(t, manifest.(string))
}

// renderError returns helm's error for values that it must reject.
func renderError(t *testing.T, c chart, values string) string {
	t.Helper()
	_, err := helmTemplate(t, c, c.Name, values)
	require.Error(t, err, "helm accepts %s", values)
	return err.Error()
}

// helmTemplate returns the manifest of a release in the namespace "shop", or what
// helm writes to standard error as an error.
func helmTemplate(t *testing.T, c chart, release, values string, flags ...string) (string, error) {
	t.Helper()
	return helmTemplateFolder(t, chartFile(c.Name, ""), release, values, flags...)
}

// helmTemplateFolder is helmTemplate for the chart in a folder.
func helmTemplateFolder(t *testing.T, folder, release, values string, flags ...string) (string, error) {
	t.Helper()
	return runHelmTemplate(t, findTool(t, "helm"), folder, release, values, flags...)
}

// runHelmTemplate is helmTemplateFolder for one of several versions of helm.
func runHelmTemplate(t *testing.T, helm, folder, release, values string, flags ...string) (string, error) {
	t.Helper()
	command := exec.Command(helm, append([]string{"template", release, folder,
		"--namespace", "shop", "--kube-version", minKubernetesVersion, "--values", "-"}, flags...)...)
	command.Stdin = strings.NewReader(values)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if command.Run() != nil {
		return "", errors.New(stderr.String())
	}
	return stdout.String(), nil
}

// findTool returns the path of a program: in bin/, where the Makefile pins the
// version of some, or on the PATH. Without the program the test is skipped, or
// fails if CI is "true".
func findTool(t *testing.T, name string) string {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, file := range []string{filepath.Join("bin", name), regexp.MustCompile(`bin/` + name + `-v[\d.]+`).FindString(string(makefile))} {
		path, err := filepath.Abs(filepath.Join("../..", file))
		require.NoError(t, err)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}
