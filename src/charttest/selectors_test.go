package charttest

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Selectors are immutable, and objects with another name are other objects: what a
// release of an earlier version has must stay as it is.
func TestUpgradeFromEarlierVersions(t *testing.T) {
	file, err := os.ReadFile("testdata/objects-0.1.0.yaml")
	require.NoError(t, err)
	var want map[string]map[string]map[string]any
	require.NoError(t, yaml.Unmarshal(file, &want))
	require.NotEmpty(t, want)

	t.Run("keeps names and selectors", func(t *testing.T) {
		for release, earlier := range want {
			requireKept(t, earlier, earlierReleases[release](t, chartsRoot))
		}
	})

	t.Run("would be refused with another selector", func(t *testing.T) {
		root := copyCharts(t)
		edit(t, filepath.Join(root, "users/templates/_metadata.tpl"), func(text string) string {
			return strings.ReplaceAll(text, "app.kubernetes.io/component: server", "app.kubernetes.io/component: api")
		})
		got := earlierReleases["users"](t, root)
		require.NotEqual(t, want["users"]["Deployment/users"], identity(got.find(t, "Deployment")))
	})
}

// earlierReleases render the releases of which testdata/objects-0.1.0.yaml has the
// names and selectors.
var earlierReleases = map[string]func(t *testing.T, root string) objects{
	"users":  func(t *testing.T, root string) objects { return renderIn(t, root, "users", "users", "") },
	"orders": func(t *testing.T, root string) objects { return renderIn(t, root, "orders", "orders", "") },
	"shop":   func(t *testing.T, root string) objects { return renderIn(t, root, "orders", "shop", "") },
	"postgres": func(t *testing.T, root string) objects {
		return renderIn(t, root, "orders", "orders", valueSets["postgres"])
	},
	"wrapped users":  func(t *testing.T, root string) objects { return wrapped(t, root, usersDependency) },
	"wrapped orders": func(t *testing.T, root string) objects { return wrapped(t, root, ordersDependency) },
}

// wrapped returns the objects of an umbrella of one chart.
func wrapped(t *testing.T, root string, d dependency) objects {
	t.Helper()
	return umbrella{charts: root, dependencies: []dependency{d}}.render(t)
}

func renderIn(t *testing.T, root, chart, release, values string) objects {
	t.Helper()
	manifest, err := helmTemplateFolder(t, filepath.Join(root, chart), release, values)
	require.NoError(t, err)
	return decode(t, manifest)
}

// requireKept checks that the objects of a release have the names and selectors of
// an earlier version. There may be further objects.
func requireKept(t *testing.T, earlier map[string]map[string]any, now objects) {
	t.Helper()
	for id, want := range earlier {
		i := slices.IndexFunc(now, func(o object) bool { return o.id() == id })
		require.NotEqual(t, -1, i, "there is no %s", id)
		require.Equal(t, want, identity(now[i]), id)
	}
}

// identity returns what Kubernetes or other objects select pods by.
func identity(o object) map[string]any {
	found := map[string]any{}
	for _, path := range []string{"spec.selector", "spec.podSelector", "spec.clusterIP", "spec.accessModes"} {
		if value := o.at(path); value != nil {
			found[path] = value
		}
	}
	return found
}

// selectors returns what an object selects pods by, but for the peers in a
// NetworkPolicy.
func selectors(o object) []any {
	var found []any
	for _, path := range []string{"spec.selector", "spec.selector.matchLabels", "spec.podSelector.matchLabels"} {
		if labels := asMap(o.at(path)); len(labels) > 0 && labels["matchLabels"] == nil {
			found = append(found, labels)
		}
	}
	constraints, _ := o.at("spec.template.spec.topologySpreadConstraints").([]any)
	for _, c := range constraints {
		found = append(found, asObject(c).at("labelSelector.matchLabels"))
	}
	return found
}

// podLabels returns the labels of the pods of a Deployment or of a test pod, or
// nil for other objects.
func podLabels(o object) map[string]any {
	if o["kind"] == "Pod" {
		return asMap(o.at("metadata.labels"))
	}
	return asMap(o.at("spec.template.metadata.labels"))
}

// owner returns the longest of the names that an object's name begins with.
func owner(names map[string]bool, o object) string {
	var longest string
	for name := range names {
		if strings.HasPrefix(text(o.at("metadata.name")), name) && len(name) > len(longest) {
			longest = name
		}
	}
	return longest
}

// crossed returns the objects that select pods of another Deployment, or its test
// pods.
func crossed(all objects) []string {
	names, found := map[string]bool{}, map[string]bool{}
	for _, o := range all {
		if o["kind"] == "Deployment" {
			names[text(o.at("metadata.name"))] = true
		}
	}
	for _, o := range all {
		for _, pod := range all {
			if podLabels(pod) == nil || owner(names, pod) == owner(names, o) {
				continue
			}
			if slices.ContainsFunc(selectors(o), func(s any) bool { return selects(s, podLabels(pod)) }) {
				found[o.id()] = true
			}
		}
	}
	return sortedKeys(found)
}

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func TestAliasSelectors(t *testing.T) {
	const values = "{serviceMonitor: {enabled: true}, database: {existingSecret: db}, replicaCount: 2, users: {service: x-headless}}"
	u := umbrella{dependencies: umbrellas["pairs"].dependencies}
	for _, d := range u.dependencies {
		v := values
		if d.Name == "users" {
			v = strings.Replace(v, ", users: {service: x-headless}", "", 1)
		}
		u.values += d.Name + d.Alias + ": " + v + "\n"
	}
	u.values = strings.NewReplacer("usersusersEU", "usersEU", "ordersorders_eu", "orders_eu").Replace(u.values)

	t.Run("do not select the pods of another alias", func(t *testing.T) {
		all := u.render(t)
		require.Len(t, selectors(all.find(t, "ServiceMonitor", "shop-orders-eu")), 1)
		require.Empty(t, crossed(all))
	})

	t.Run("would select them without the alias in the label", func(t *testing.T) {
		u := u
		u.charts = copyCharts(t)
		for _, c := range []string{"users", "orders"} {
			edit(t, filepath.Join(u.charts, c, "templates/_metadata.tpl"), func(text string) string {
				return strings.ReplaceAll(text, "_{{ .Chart.Name }}", "")
			})
		}
		found := crossed(u.render(t))
		want := []string{"Deployment/shop-users", "Deployment/shop-userseu", "Service/shop-orders-eu", "NetworkPolicy/shop-orders"}
		require.Subset(t, found, want)
	})
}

func TestUsersOfTheSameRelease(t *testing.T) {
	t.Run("are what orders calls", func(t *testing.T) {
		for _, name := range []string{"plain", "aliases"} {
			require.Empty(t, unreachable(t, umbrellas[name].render(t)), name)
		}
	})

	t.Run("would not be found if labels had the alias as the program's name", func(t *testing.T) {
		u := umbrellas["aliases"]
		u.charts = copyCharts(t)
		for _, c := range []string{"users", "orders"} {
			edit(t, filepath.Join(u.charts, c, "templates/_chart.tpl"), func(text string) string {
				return strings.Replace(text, ".name\" -}}\n"+c, ".name\" -}}\n{{ .Chart.Name }}", 1)
			})
		}
		require.Len(t, unreachable(t, u.render(t)), 3)
	})

	t.Run("are not assumed by a chart alone, or with a value", func(t *testing.T) {
		require.Contains(t, text(render(t, ordersChart, "").configMap(t)), "http://users-headless.shop.svc.cluster.local.:5001")
		u := umbrellas["plain"]
		for values, want := range map[string]string{
			"service: other-headless": "http://other-headless.shop.svc",
			"namespace: accounts":     "http://users-headless.accounts.svc",
			"url: 'http://a:1'":       "http://a:1",
		} {
			u.values = "{orders: {users: {" + values + "}}}"
			all := u.render(t)
			require.Contains(t, text(all.find(t, "ConfigMap", "shop-orders")), "USERS_URL:"+want)
			require.Nil(t, all.find(t, "Service", "shop-orders-to-users"))
		}
	})
}

// unreachable says what keeps orders from calling the users of its release.
func unreachable(t *testing.T, all objects) []string {
	t.Helper()
	users, orders := byProgram(all, "users", "accounts"), byProgram(all, "orders", "purchases")
	server := users.find(t, "Deployment").at("spec.template.metadata.labels")
	base, err := url.Parse(text(orders.configMap(t).at("data.USERS_URL")))
	require.NoError(t, err)
	host := strings.Split(base.Hostname(), ".")
	require.Equal(t, []string{"shop", "svc", "cluster", "local", ""}, host[1:])
	require.Contains(t, text(orders.find(t, "Pod").at("spec.containers.0.args")), "--users-url="+base.String())

	found := map[string]bool{}
	service := orders.find(t, "Service", host[0])
	require.NotNil(t, service, host[0])
	require.Equal(t, "None", service.at("spec.clusterIP"))
	require.Equal(t, base.Port(), text(service.at("spec.ports.0.port")))
	for _, deployment := range []objects{users, orders} {
		labels := deployment.find(t, "Deployment").at("spec.template.metadata.labels")
		if selects(service.at("spec.selector"), labels) != (text(labels) == text(server)) {
			found["the Service selects the wrong pods"] = true
		}
	}
	admitted := "app.kubernetes.io/name:" + text(asMap(server)["app.kubernetes.io/name"])
	for _, policy := range orders {
		if policy["kind"] == "NetworkPolicy" && !strings.Contains(text(policy.at("spec.egress")), admitted) {
			found["a NetworkPolicy of orders denies the call"] = true
		}
	}
	for _, pod := range []object{orders.find(t, "Deployment"), orders.find(t, "Pod")} {
		ingress := users.find(t, "NetworkPolicy", users.find(t, "Pod").releaseName()).at("spec.ingress.0.from")
		if !anyPeerSelects(ingress.([]any), podLabels(pod)) {
			found["the NetworkPolicy of users denies the call"] = true
		}
	}
	return sortedKeys(found)
}

// byProgram returns the objects that have one of these names in their label
// app.kubernetes.io/name.
func byProgram(all objects, names ...string) objects {
	var found objects
	for _, o := range all {
		if slices.Contains(names, text(asMap(o.at("metadata.labels"))["app.kubernetes.io/name"])) {
			found = append(found, o)
		}
	}
	return found
}
