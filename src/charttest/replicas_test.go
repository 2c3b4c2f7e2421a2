package charttest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Annotations of a Deployment that say who sets the number of its pods.
const (
	setBy      = "replicas/set-by"
	inManifest = "replicas/in-manifest"
)

// Field managers of a live Deployment that own its number of pods.
const (
	helmApplies = `{manager: helm, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}, "f:template": {}}}}`
	helmApplied = `{manager: helm, operation: Apply, fieldsV1: {"f:spec": {"f:template": {}}}}`
	helmUpdates = `{manager: helm, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
	autoscaler  = `{manager: kube-controller-manager, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
	kubectl     = `{manager: kubectl, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
	controller  = `{manager: kube-controller-manager, operation: Update, subresource: status, fieldsV1: {"f:status": {"f:replicas": {}}}}`
)

func TestReplicas(t *testing.T) {
	const (
		fixed = "replicaCount: 2"
		free  = "replicaCount: null"
		on    = "autoscaling: {enabled: true, minReplicas: 2, maxReplicas: 5}"
		kept  = "others, while replicaCount is 2"
	)
	none := map[string]any{}
	by := func(who string) map[string]any { return map[string]any{setBy: who} }
	stored := func(who string) map[string]any { return map[string]any{setBy: who, inManifest: "true"} }

	tests := map[string]struct {
		values, live string
		with3        any // replicas rendered by Helm 3; nil: left out
		with4        any // the same by Helm 4
		noted3       map[string]any
		noted4       map[string]any
	}{
		"install":                              {fixed, "", 2, 2, none, none},
		"install, null":                        {free, "", nil, nil, by("others"), by("others")},
		"install, autoscaled":                  {on, "", nil, nil, by("autoscaler"), by("autoscaler")},
		"a fixed number again":                 {fixed, live(2, "", helmApplies, controller), 2, 2, none, none},
		"a fixed number after kubectl scale":   {fixed, live(4, "", helmApplied, kubectl), 2, 2, none, none},
		"turned on":                            {on, live(3, "", helmApplies), 3, 3, stored("autoscaler"), stored("autoscaler")},
		"turned on, client-side":               {on, live(3, "", helmUpdates), 3, 3, stored("autoscaler"), stored("autoscaler")},
		"turned on below the minimum":          {on, live(1, "", helmApplies), 2, 2, stored("autoscaler"), stored("autoscaler")},
		"turned on above the maximum":          {on, live(9, "", helmApplies), 5, 5, stored("autoscaler"), stored("autoscaler")},
		"turned on after kubectl scale":        {on, live(4, "", helmApplied, kubectl), 4, nil, stored("autoscaler"), by("autoscaler")},
		"autoscaled since, server-side":        {on, live(4, "autoscaler, stored", helmApplied, autoscaler), 4, nil, stored("autoscaler"), by("autoscaler")},
		"autoscaled since, client-side":        {on, live(4, "autoscaler, stored", autoscaler), 4, 4, stored("autoscaler"), stored("autoscaler")},
		"autoscaled since, by Flux":            {on, live(4, "autoscaler, stored", strings.ReplaceAll(helmApplied, "helm", "helm-controller"), autoscaler), 4, nil, stored("autoscaler"), by("autoscaler")},
		"turned on, by Flux":                   {on, live(3, "", strings.ReplaceAll(helmApplies, "helm", "helm-controller")), 3, 3, stored("autoscaler"), stored("autoscaler")},
		"autoscaled from the start":            {on, live(4, "autoscaler", helmApplied, autoscaler), nil, nil, by("autoscaler"), by("autoscaler")},
		"autoscaled from the start, no change": {on, live(1, "autoscaler", helmUpdates), nil, nil, by("autoscaler"), by("autoscaler")},
		"turned off":                           {fixed, live(4, "autoscaler", helmApplied, autoscaler), nil, nil, by(kept), by(kept)},
		"turned off, number in the manifest":   {fixed, live(4, "autoscaler, stored", autoscaler), 4, 4, stored(kept), stored(kept)},
		"turned off some time ago":             {fixed, live(4, kept, helmApplied, autoscaler), nil, nil, by(kept), by(kept)},
		"changed after it was turned off":      {fixed, live(4, "others, while replicaCount is 3", helmApplied, autoscaler), 2, 2, none, none},
		"null, Helm alone has set the number":  {free, live(3, "", helmApplies), 3, 3, stored("others"), stored("others")},
		"null after kubectl scale":             {free, live(4, "", helmApplied, kubectl), 4, nil, stored("others"), by("others")},
		"null again":                           {free, live(4, "others", helmUpdates), nil, nil, by("others"), by("others")},
		"a number after null":                  {fixed, live(4, "others", helmApplied, kubectl), 2, 2, none, none},
	}
	for major, helm := range helms(t) {
		t.Run("leave the number to who sets it, Helm "+major, func(t *testing.T) {
			forEachChart(t, func(t *testing.T, c chart) {
				folder := chartWithLiveObject(t, c)
				for name, tt := range tests {
					manifest, err := runHelmTemplate(t, helm, folder, c.Name, "{"+postgres+", "+tt.values+tt.live+"}")
					require.NoError(t, err, name)
					deployment := decode(t, manifest).find(t, "Deployment")
					replicas, noted := tt.with3, tt.noted3
					if major == "4" {
						replicas, noted = tt.with4, tt.noted4
					}
					require.Equal(t, replicas, deployment.at("spec.replicas"), name)
					got := map[string]any{}
					for key, value := range asMap(deployment.at("metadata.annotations")) {
						got[key] = value
					}
					require.Equal(t, noted, got, name)
				}
			})
		})
	}

	t.Run("are not left to others on SQLite", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			folder := chartWithLiveObject(t, c)
			manifest, err := helmTemplateFolder(t, folder, c.Name, "{replicaCount: 1"+live(4, "autoscaler", helmApplied, autoscaler)+"}")
			require.NoError(t, err)
			require.Equal(t, 1, decode(t, manifest).find(t, "Deployment").at("spec.replicas"))
			_, err = helmTemplateFolder(t, folder, c.Name, "{replicaCount: null"+live(4, "others", helmApplied, kubectl)+"}")
			require.ErrorContains(t, err, "replicaCount is set to nothing, but 4 pods run, and only one pod can use a SQLite database")
		})
	})

	t.Run("have a PodDisruptionBudget whoever sets them", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			folder := chartWithLiveObject(t, c)
			for values, want := range map[string]bool{
				"replicaCount: null": true, "replicaCount: null" + live(1, "others"): false, "replicaCount: null" + live(2, "others"): true,
				"replicaCount: 1" + live(4, "autoscaler"): true, "replicaCount: 1" + live(4, ""): false,
			} {
				manifest, err := helmTemplateFolder(t, folder, c.Name, "{"+postgres+", "+values+"}")
				require.NoError(t, err)
				require.Equal(t, want, decode(t, manifest).find(t, "PodDisruptionBudget") != nil, values)
			}
		})
	})
}

// live returns the value "live", a Deployment in the cluster, as members of a YAML
// mapping. who is its annotation, with ", stored" if the number is in the manifest.
func live(replicas int, who string, managers ...string) string {
	annotations := ""
	if who != "" {
		name, isStored := strings.CutSuffix(who, ", stored")
		annotations = fmt.Sprintf("%s: %q", setBy, name)
		if isStored {
			annotations += ", " + inManifest + `: "true"`
		}
	}
	return fmt.Sprintf(", live: {metadata: {annotations: {%s}, managedFields: [%s]}, spec: {replicas: %d}}",
		annotations, strings.Join(managers, ", "), replicas)
}

// chartWithLiveObject copies a chart and replaces its look-up of the Deployment
// by the value "live", as `helm template` has no cluster.
func chartWithLiveObject(t *testing.T, c chart) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), c.Name)
	copyChart(t, c, folder)
	require.NoError(t, os.Remove(filepath.Join(folder, "values.schema.json")))
	lookup := regexp.MustCompile(`\(lookup "apps/v1" "Deployment" \S+ (\(include "\w+\.fullname" \.\)|\$name)\)`)
	replaced := 0
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".tpl" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		replaced += len(lookup.FindAll(text, -1))
		return os.WriteFile(path, lookup.ReplaceAll(text, []byte("(.Values.live | default dict)")), 0o600)
	}))
	require.Equal(t, 2, replaced)
	return folder
}

// helms returns the installed versions of helm by their major version: that of
// findTool, and helm3 and helm4 where they are installed.
func helms(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	paths := []string{findTool(t, "helm")}
	for _, name := range []string{"helm3", "helm4"} {
		if path, err := exec.LookPath(name); err == nil {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		version, err := exec.Command(path, "version", "--template", "{{.Version}}").Output()
		require.NoError(t, err)
		found[strings.SplitN(strings.TrimPrefix(string(version), "v"), ".", 2)[0]] = path
	}
	return found
}
