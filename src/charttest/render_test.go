package charttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Lowest version of Kubernetes that the charts admit.
const lowestKubernetes = "1.30.0"

// valueSets are the setups that matter: what must hold for any setup is tested
// with each of them.
var valueSets = map[string]string{
	"default":  "",
	"postgres": "{database: {existingSecret: db}, replicaCount: 3}",
	"autoscaled": `{database: {existingSecret: db},
		autoscaling: {enabled: true, behavior: {scaleDown: {stabilizationWindowSeconds: 10}}}}`,
	"exposed": `{serviceMonitor: {enabled: true, labels: {release: prometheus}}, dashboards: {enabled: true},
		prometheusRule: {enabled: true, labels: {release: prometheus}},
		ingress: {enabled: true, hosts: [a.example.com, b.example.com], tls: [{secretName: tls, hosts: [a.example.com]}]},
		httpRoute: {enabled: true, parentRefs: [{name: gateway, namespace: gateways}], hostnames: [a.example.com]}}`,
	"every extra": `{prometheusRule: {enabled: true, kind: ConfigMap}, faults: {enabled: true}, fullnameOverride: other, clusterDomain: example.test, minReadySeconds: 0,
		image: {digest: "sha256:` + digest + `"}, imagePullSecrets: [{name: registry}],
		telemetry: {otlpEndpoint: "http://collector:4318"}, persistence: {enabled: false},
		nodeSelector: {disk: ssd}, tolerations: [{key: dedicated, operator: Exists}], priorityClassName: high,
		affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}},
		topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}],
		serviceAccount: {name: account, annotations: {role: reader}}, service: {annotations: {balancer: internal}},
		commonLabels: {team: shop}, commonAnnotations: {contact: shop}, podLabels: {tier: api}, podAnnotations: {note: pod},
		extraEnv: [{name: GOGC, value: "200"}], extraVolumes: [{name: extra, emptyDir: {}}],
		extraVolumeMounts: [{name: extra, mountPath: /extra}],
		networkPolicy: {allowFrom: [{podSelector: {}}], metricsFrom: [{namespaceSelector: {}}], allowTo: [{ipBlock: {cidr: 10.0.0.0/8}}]}}`,
}

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// forEverySetup runs a test for both charts with every value set and with the
// production example.
func forEverySetup(t *testing.T, test func(t *testing.T, c chart, objects objects)) {
	for _, c := range bothCharts() {
		production, err := os.ReadFile(filepath.Join("../../charts", c.Name, "values-production.yaml"))
		require.NoError(t, err)
		sets := map[string]string{"production": string(production)}
		for name, values := range valueSets {
			sets[name] = values
		}
		for name, values := range sets {
			t.Run(c.Name+" "+name, func(t *testing.T) {
				test(t, c, render(t, c, values))
			})
		}
	}
}

// objects are what a chart renders to.
type objects []object

// object is one of them, as decoded.
type object map[string]any

// render returns the objects of a release, named like its chart, in the
// namespace "shop".
func render(t *testing.T, c chart, values string) objects {
	t.Helper()
	return renderRelease(t, c, c.Name, values)
}

// rendered holds what helm gave for a chart, a release and values: many tests
// look at the same.
var rendered sync.Map

func renderRelease(t *testing.T, c chart, release, values string) objects {
	t.Helper()
	key := [...]string{c.Name, release, values}
	manifest, known := rendered.Load(key)
	if !known {
		var err error
		manifest, err = helmTemplate(t, c, release, values)
		require.NoError(t, err)
		rendered.Store(key, manifest)
	}
	return decode(t, manifest.(string))
}

// refusal returns what helm says of values that it does not take.
func refusal(t *testing.T, c chart, values string) string {
	t.Helper()
	_, err := helmTemplate(t, c, c.Name, values)
	require.Error(t, err, "values were taken: %s", values)
	return err.Error()
}

func helmTemplate(t *testing.T, c chart, release, values string, flags ...string) (string, error) {
	t.Helper()
	command := exec.Command(tool(t, "helm"), append([]string{"template", release, filepath.Join("../../charts", c.Name),
		"--namespace", "shop", "--kube-version", lowestKubernetes, "--values", "-"}, flags...)...)
	command.Stdin = strings.NewReader(values)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if command.Run() != nil {
		return "", errors.New(complaint.String())
	}
	return out.String(), nil
}

// tool finds a program in bin/, by the version that the Makefile pins where it
// does, or on the PATH. Where it is missing the test is skipped, but not in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, file := range []string{filepath.Join("bin", name), regexp.MustCompile(`bin/` + name + `-v[\d.]+`).FindString(string(makefile))} {
		path, err := filepath.Abs(filepath.Join("../..", file))
		require.NoError(t, err)
		if about, err := os.Stat(path); err == nil && about.Mode().IsRegular() {
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

func decode(t *testing.T, manifest string) objects {
	t.Helper()
	var all objects
	decoder := yaml.NewDecoder(strings.NewReader(manifest))
	for {
		var o map[string]any
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		if o != nil {
			all = append(all, o)
		}
	}
}

// one returns the only object of a kind, or nil where there is none. With
// several of a kind, the name is needed too.
func (all objects) one(t *testing.T, kind string, name ...string) object {
	t.Helper()
	var found []object
	for _, o := range all {
		if o["kind"] == kind && (len(name) == 0 || o.at("metadata.name") == name[0]) {
			found = append(found, o)
		}
	}
	require.LessOrEqual(t, len(found), 1, "more than one %s", kind)
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// settings is the ConfigMap that the container's environment comes from.
func (all objects) settings(t *testing.T) object {
	t.Helper()
	return all.one(t, "ConfigMap", text(all.one(t, "Deployment").at("metadata.name")))
}

// at follows a path such as "spec.ports.0.port"; nil where it leads nowhere.
func (o object) at(path string) any {
	var here any = map[string]any(o)
	for step := range strings.SplitSeq(path, ".") {
		switch container := here.(type) {
		case map[string]any:
			here = container[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(container) {
				return nil
			}
			here = container[i]
		default:
			return nil
		}
	}
	return here
}

// id is what no two objects of a namespace share.
func (o object) id() string { return text(o["kind"]) + "/" + text(o.at("metadata.name")) }

// release is the name that the objects of a test pod's release share.
func (o object) release() string {
	return strings.TrimSuffix(text(o.at("metadata.name")), "-test-api")
}

// pods are the specs of all pods that the objects bring about.
func (all objects) pods() []object {
	var pods []object
	for _, o := range all {
		switch o["kind"] {
		case "Deployment":
			pods = append(pods, podOf(o))
		case "Pod":
			pods = append(pods, asObject(o["spec"]))
		}
	}
	return pods
}

func podOf(deployment object) object { return asObject(deployment.at("spec.template.spec")) }

func kinds(all objects) []string {
	var kinds []string
	for _, o := range all {
		kinds = append(kinds, text(o["kind"]))
	}
	return kinds
}

// env is the value of a container's variable, or nil; of one that comes from
// elsewhere, where from.
func env(pod object, name string) any {
	variables, _ := pod.at("containers.0.env").([]any)
	for _, v := range variables {
		variable := asObject(v)
		if variable["name"] == name && variable["valueFrom"] != nil {
			return variable["valueFrom"]
		}
		if variable["name"] == name {
			return variable["value"]
		}
	}
	return nil
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asObject(v any) object { return asMap(v) }

func text(v any) string { return fmt.Sprint(v) }
