package charttest

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// objects are the Kubernetes objects of a manifest.
type objects []object

// object is a Kubernetes object or a mapping inside one.
type object map[string]any

// decode returns the objects of a manifest. Empty documents are skipped.
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

// find returns the object of a kind and, if given, a name. It returns nil if no
// object matches and fails the test if several do.
func (all objects) find(t *testing.T, kind string, name ...string) object {
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

// configMap returns the ConfigMap with the environment of the container.
func (all objects) configMap(t *testing.T) object {
	t.Helper()
	return all.find(t, "ConfigMap", text(all.find(t, "Deployment").at("metadata.name")))
}

// at returns the value at a path such as "spec.ports.0.port", or nil.
func (o object) at(path string) any {
	var value any = map[string]any(o)
	for step := range strings.SplitSeq(path, ".") {
		switch container := value.(type) {
		case map[string]any:
			value = container[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(container) {
				return nil
			}
			value = container[i]
		default:
			return nil
		}
	}
	return value
}

// id returns kind and name, which are unique in a namespace.
func (o object) id() string { return text(o["kind"]) + "/" + text(o.at("metadata.name")) }

// releaseName returns the name of a test pod's Deployment and Service.
func (o object) releaseName() string {
	return strings.TrimSuffix(text(o.at("metadata.name")), "-test-api")
}

// podSpecs returns the specs of the Deployment's pods and of the test pod.
func (all objects) podSpecs() []object {
	var pods []object
	for _, o := range all {
		switch o["kind"] {
		case "Deployment":
			pods = append(pods, podSpec(o))
		case "Pod":
			pods = append(pods, asObject(o["spec"]))
		}
	}
	return pods
}

// podSpec returns the spec of a Deployment's pods.
func podSpec(deployment object) object { return asObject(deployment.at("spec.template.spec")) }

// kinds returns the kind of each object.
func kinds(all objects) []string {
	var kinds []string
	for _, o := range all {
		kinds = append(kinds, text(o["kind"]))
	}
	return kinds
}

// env returns the value of an environment variable of the container, its
// valueFrom if it has one, or nil if there is no such variable.
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

// asMap returns v as a mapping, or nil if it is something else.
func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asObject(v any) object { return asMap(v) }

func text(v any) string { return fmt.Sprint(v) }
