package charttest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"tandem/src/charts/generate"
)

// umbrella is a chart whose dependencies are the charts users and orders.
type umbrella struct {
	dependencies []dependency
	values       string
	charts       string // folder of the charts; empty: chartsRoot
}

var (
	usersDependency  = dependency{Name: "users", Version: "0.1.0", Condition: "users.enabled"}
	ordersDependency = dependency{Name: "orders", Version: "0.1.0", Condition: "orders.enabled"}
)

// as returns the dependency under an alias, with a condition to match.
func (d dependency) as(alias string) dependency {
	d.Alias, d.Condition = alias, alias+".enabled"
	return d
}

// umbrellas are the ways to combine the charts.
var umbrellas = map[string]umbrella{
	"plain":   {dependencies: []dependency{usersDependency, ordersDependency}},
	"aliases": {dependencies: []dependency{usersDependency.as("accounts"), ordersDependency.as("purchases")}},
	"pairs": {
		dependencies: []dependency{usersDependency, usersDependency.as("usersEU"), ordersDependency, ordersDependency.as("orders_eu")},
		values:       "{orders: {users: {service: shop-users-headless}}, orders_eu: {users: {service: shop-userseu-headless}}}",
	},
}

// write writes the chart into a folder of its own and returns that folder.
func (u umbrella) write(t *testing.T) string {
	t.Helper()
	root := u.charts
	if root == "" {
		root = chartsRoot
	}
	folder := t.TempDir()
	meta, err := yaml.Marshal(map[string]any{"apiVersion": "v2", "name": "umbrella", "version": "0.1.0", "dependencies": u.dependencies})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Chart.yaml"), meta, 0o600))
	for _, d := range u.dependencies {
		target := filepath.Join(folder, "charts", d.Name)
		if _, err := os.Stat(target); err != nil {
			require.NoError(t, os.CopyFS(target, os.DirFS(filepath.Join(root, d.Name))))
		}
	}
	return folder
}

// render returns the objects of the release "shop" in the namespace "shop".
func (u umbrella) render(t *testing.T, flags ...string) objects {
	t.Helper()
	manifest, err := helmTemplateFolder(t, u.write(t), "shop", u.values, flags...)
	require.NoError(t, err)
	return decode(t, manifest)
}

func TestUmbrella(t *testing.T) {
	t.Run("gives each chart what it has alone", func(t *testing.T) { requireEqualAlone(t, chartsRoot, true) })

	// Helm's template names are global: one chart's replaces the other's.
	t.Run("would mix up charts with a template of the same name", func(t *testing.T) {
		root := copyCharts(t)
		editTemplates(t, root, "orders", func(text string) string { return strings.ReplaceAll(text, `"orders.port"`, `"users.port"`) })
		requireEqualAlone(t, root, false)
		require.Equal(t, []string{"orders defines users.port", "orders includes users.port"}, foreignTemplates(t, root))
	})

	t.Run("finds no named template that two charts share", func(t *testing.T) { require.Empty(t, foreignTemplates(t, chartsRoot)) })

	t.Run("has a chart only if its condition holds", func(t *testing.T) {
		for name, u := range umbrellas {
			if name == "pairs" {
				continue
			}
			all := u.render(t, "--set", u.dependencies[0].Condition+"=false")
			require.Len(t, deployments(all, "users"), 0, name)
			require.Len(t, deployments(all, "orders"), 1, name)
		}
		_, err := helmTemplateFolder(t, umbrellas["plain"].write(t), "shop", `{users: {enabled: "false"}}`)
		require.ErrorContains(t, err, "at '/enabled': got string") // Helm would take it for true
	})
}

// requireEqualAlone renders an umbrella of both charts, and one of each chart, and
// compares their objects.
func requireEqualAlone(t *testing.T, root string, equal bool) {
	t.Helper()
	const values = "{prometheusRule: {enabled: true}, dashboards: {enabled: true}}"
	u := umbrella{charts: root, values: "{users: " + values + ", orders: " + values + "}"}
	var alone objects
	for _, d := range umbrellas["plain"].dependencies {
		u.dependencies = []dependency{d}
		alone = append(alone, u.render(t)...)
	}
	u.dependencies = umbrellas["plain"].dependencies
	if equal {
		require.ElementsMatch(t, alone, u.render(t))
	} else {
		require.NotEqual(t, ids(alone), ids(u.render(t)))
	}
}

// editTemplates replaces the texts of all templates of a chart.
func editTemplates(t *testing.T, root, chart string, change func(text string) string) {
	t.Helper()
	for _, pattern := range []string{"templates/*.*", "templates/tests/*.*"} {
		paths, err := filepath.Glob(filepath.Join(root, chart, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			edit(t, path, change)
		}
	}
}

// ids returns the text of each object by its id.
func ids(all objects) map[string]string {
	texts := map[string]string{}
	for _, o := range all {
		texts[o.id()] = text(o)
	}
	return texts
}

// foreignTemplates says which charts define or include a named template of another
// chart.
func foreignTemplates(t *testing.T, root string) []string {
	t.Helper()
	pattern := regexp.MustCompile(`\b(define|include|template|block) "([^"]*)"`)
	var foreign []string
	for _, c := range generate.Charts() {
		found := map[string]bool{}
		require.NoError(t, filepath.WalkDir(filepath.Join(root, c.Name, "templates"), func(path string, entry os.DirEntry, err error) error {
			require.NoError(t, err)
			if entry.IsDir() {
				return nil
			}
			source, err := os.ReadFile(path)
			for _, match := range pattern.FindAllStringSubmatch(string(source), -1) {
				if !strings.HasPrefix(match[2], c.Name+".") {
					found[c.Name+" "+match[1]+"s "+match[2]] = true
				}
			}
			return err
		}))
		foreign = append(foreign, sortedKeys(found)...)
	}
	return foreign
}

func TestAlias(t *testing.T) {
	t.Run("leaves the program as it is", func(t *testing.T) {
		for name, u := range umbrellas {
			all := u.render(t)
			for _, c := range generate.Charts() {
				for _, deployment := range deployments(all, c.Name) {
					pod := podSpec(deployment)
					require.Equal(t, c.Name, pod.at("containers.0.name"), name)
					require.Equal(t, "tandem/"+c.Name+":0.1.0", pod.at("containers.0.image"), name)
					require.Equal(t, c.Port, pod.at("containers.0.ports.0.containerPort"), name)
					require.Equal(t, c.Name+"-0.1.0", asMap(deployment.at("metadata.labels"))["helm.sh/chart"], name)
				}
			}
		}
	})

	t.Run("is part of the names of objects", func(t *testing.T) {
		for name, want := range map[string][]string{
			"plain": {"shop-users", "shop-orders"}, "aliases": {"shop-accounts", "shop-purchases"},
			"pairs": {"shop-users", "shop-userseu", "shop-orders", "shop-orders-eu"},
		} {
			var names []string
			seen := map[string]bool{}
			for _, o := range umbrellas[name].render(t) {
				require.False(t, seen[o.id()], "%s: two objects are %s", name, o.id())
				seen[o.id()] = true
				if o["kind"] == "Deployment" {
					names = append(names, text(o.at("metadata.name")))
				}
			}
			require.ElementsMatch(t, want, names)
		}
	})

	t.Run("or the release name never makes two names equal", func(t *testing.T) {
		folder := umbrellas["plain"].write(t)
		for _, release := range []string{"users", "orders", "shop-orders", "users-orders", "orders-to"} {
			manifest, err := helmTemplateFolder(t, folder, release, "")
			require.NoError(t, err)
			all := decode(t, manifest)
			require.Len(t, ids(all), len(all), release)
		}
	})

	t.Run("is refused if it makes no valid label", func(t *testing.T) {
		for _, alias := range []string{"users_", "accounts_of_the_customers_in_the_north_and_in_the_south_of_europe"} {
			u := umbrella{dependencies: []dependency{usersDependency.as(alias)}, values: "{" + alias + ": {fullnameOverride: shop-eu}}"}
			_, err := helmTemplateFolder(t, u.write(t), "shop", u.values)
			require.ErrorContains(t, err, fmt.Sprintf("the label app.kubernetes.io/instance would be %q, ", "shop_"+alias))
		}
	})

	t.Run("makes valid labels", func(t *testing.T) {
		value := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
		key := regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
		for _, o := range umbrellas["pairs"].render(t) {
			for _, labels := range []any{o.at("metadata.labels"), podLabels(o)} {
				for k, v := range asMap(labels) {
					require.Regexp(t, key, k)
					require.Regexp(t, value, v)
				}
			}
		}
	})
}

func TestServiceOfUsers(t *testing.T) {
	t.Run("has the IP families of the other Services", func(t *testing.T) {
		u := umbrellas["plain"]
		u.values = "{orders: {service: {ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]}}}"
		service := u.render(t).find(t, "Service", "shop-orders-to-users")
		require.Equal(t, "PreferDualStack", service.at("spec.ipFamilyPolicy"))
		require.Equal(t, []any{"IPv6", "IPv4"}, service.at("spec.ipFamilies"))
		u.values = "{orders: {service: null, users: null}}"
		require.NotContains(t, u.render(t).find(t, "Service", "shop-orders-to-users")["spec"], "ipFamilies")
	})
}

// deployments returns the Deployments of a program.
func deployments(all objects, program string) objects {
	var found objects
	for _, o := range all {
		if o["kind"] == "Deployment" && asMap(o.at("metadata.labels"))["app.kubernetes.io/name"] == program {
			found = append(found, o)
		}
	}
	return found
}

func TestNothingInUmbrellas(t *testing.T) {
	// Helm 4 ignores a null in the values.yaml of an umbrella chart, Helm 3 does not.
	t.Run("is an empty text in their values.yaml", func(t *testing.T) {
		u := umbrellas["aliases"]
		folder := u.write(t)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "values.yaml"), []byte(
			`accounts: {replicaCount: "", podSecurityContext: {runAsUser: ""}, resources: {limits: {memory: ""}}, config: {logLevel: ""}}`), 0o600))
		manifest, err := helmTemplateFolder(t, folder, "shop", "")
		require.NoError(t, err)
		deployment := decode(t, manifest).find(t, "Deployment", "shop-accounts")
		require.NotContains(t, deployment["spec"], "replicas")
		require.NotContains(t, podSpec(deployment)["securityContext"], "runAsUser")
		require.NotContains(t, podSpec(deployment).at("containers.0.resources.limits"), "memory")
	})

	t.Run("is null or an empty text in the values of a user", func(t *testing.T) {
		for _, nothing := range []string{"null", `""`} {
			u := umbrellas["aliases"]
			u.values = "{accounts: {replicaCount: " + nothing + "}}"
			require.NotContains(t, u.render(t).find(t, "Deployment", "shop-accounts")["spec"], "replicas", nothing)
		}
	})
}

func TestGlobalValues(t *testing.T) {
	t.Run("choose the registry of every image", func(t *testing.T) {
		for repository, want := range map[string]string{
			"tandem/users": "mirror.example.com/tandem/users", "users": "mirror.example.com/users",
			"ghcr.io/tandem/users": "mirror.example.com/tandem/users", "localhost/users": "mirror.example.com/users",
			"localhost:5000/tandem/users": "mirror.example.com/tandem/users",
		} {
			u := umbrellas["aliases"]
			u.values = "{global: {imageRegistry: mirror.example.com/}, accounts: {image: {repository: '" + repository + "'}}}"
			var images []string
			for _, pod := range u.render(t).podSpecs() {
				images = append(images, text(pod.at("containers.0.image")))
			}
			other := "mirror.example.com/tandem/orders:0.1.0"
			require.ElementsMatch(t, []string{want + ":0.1.0", want + ":0.1.0", other, other}, images)
		}
	})

	t.Run("add Secrets to pull images with", func(t *testing.T) {
		u := umbrellas["plain"]
		u.values = "{global: {imagePullSecrets: [mirror, {name: registry}]}, users: {imagePullSecrets: [{name: registry}, {name: own}]}}"
		reference := func(name string) any { return map[string]any{"name": name} }
		for _, pod := range u.render(t).podSpecs() {
			want := []any{reference("mirror"), reference("registry")}
			if strings.Contains(text(pod.at("containers.0.image")), "users") {
				want = append(want, reference("own"))
			}
			require.Equal(t, want, pod["imagePullSecrets"])
		}
	})

	t.Run("may be absent, null or those of other charts", func(t *testing.T) {
		for _, values := range []string{
			"", "{global: null}", "{global: {imageRegistry: null, imagePullSecrets: null}}", "{global: {storageClass: fast}}",
		} {
			u := umbrellas["plain"]
			want := u.render(t)
			u.values = values
			require.ElementsMatch(t, want, u.render(t), values)
			forEachChart(t, func(t *testing.T, c chart) { require.Equal(t, render(t, c, ""), render(t, c, values), values) })
		}
	})
}

// TestShippedUmbrella is about the chart that installs both charts.
func TestShippedUmbrella(t *testing.T) {
	folder := chartFile(generate.UmbrellaName, "")
	t.Run("has the objects of both charts", func(t *testing.T) {
		manifest, err := helmTemplateFolder(t, folder, "shop", "")
		require.NoError(t, err)
		require.ElementsMatch(t, umbrellas["plain"].render(t), decode(t, manifest))
	})

	t.Run("needs other users if it has none", func(t *testing.T) {
		_, err := helmTemplateFolder(t, folder, "shop", "{users: {enabled: false}}")
		require.ErrorContains(t, err, "users.enabled is false, so orders needs the users of another release: set orders.users.service, ")
		for _, other := range []string{"service: users-headless", "namespace: accounts", "url: 'https://users.example.com'"} {
			manifest, err := helmTemplateFolder(t, folder, "shop", "{users: {enabled: false}, orders: {users: {"+other+"}}}")
			require.NoError(t, err)
			require.Nil(t, decode(t, manifest).find(t, "Service", "shop-orders-to-users"))
		}
		_, err = helmTemplateFolder(t, folder, "shop", "{users: {enabled: false}, orders: {enabled: false}}")
		require.NoError(t, err)
	})

	t.Run("may be a dependency itself, with a condition", func(t *testing.T) {
		nested := umbrella{dependencies: []dependency{{Name: generate.UmbrellaName, Version: "0.1.0", Condition: "tandem.enabled"}}}
		want := nested.render(t)
		require.ElementsMatch(t, umbrellas["plain"].render(t), want)
		require.ElementsMatch(t, want, nested.render(t, "--set", "tandem.enabled=true"))
		require.Empty(t, nested.render(t, "--set", "tandem.enabled=false"))
		_, err := helmTemplateFolder(t, nested.write(t), "shop", `{tandem: {enabled: "false"}}`)
		require.ErrorContains(t, err, "at '/enabled': got string")
	})

	// A chart sees its own alias, not that of its parent, so the names of two would be the same.
	t.Run("is refused under an alias", func(t *testing.T) {
		twice := umbrella{dependencies: []dependency{
			{Name: generate.UmbrellaName, Version: "0.1.0", Alias: "eu"}, {Name: generate.UmbrellaName, Version: "0.1.0", Alias: "us"},
		}}
		_, err := helmTemplateFolder(t, twice.write(t), "shop", "")
		require.ErrorContains(t, err, "tandem cannot have an alias: make users and orders the dependencies, each with an alias.")
	})

	t.Run("rejects typos at every level", func(t *testing.T) {
		for values, want := range map[string]string{
			"{user: {}}": "additional properties 'user' not allowed", "{users: {replicas: 1}}": "additional properties 'replicas' not allowed",
		} {
			_, err := helmTemplateFolder(t, folder, "shop", values)
			require.ErrorContains(t, err, want)
		}
	})
}
