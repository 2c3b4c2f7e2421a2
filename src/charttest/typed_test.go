package charttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everyFeature enables what the charts do not do by default, so that most values
// have an effect.
const everyFeature = `{database: {existingSecret: db}, autoscaling: {enabled: true}, telemetry: {otlpEndpoint: "http://collector:4318"},
	ingress: {enabled: true}, httpRoute: {enabled: true, parentRefs: [{name: gateway}]}, serviceMonitor: {enabled: true},
	prometheusRule: {enabled: true}, dashboards: {enabled: true}}`

func TestEmptyValues(t *testing.T) {
	// Helm removes the default of a value that the user sets to null. A key without a
	// value in a file is null too.
	t.Run("mean the default", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			want := render(t, c, everyFeature)
			groups, leaves, empties := []string{}, []string{}, []string{}
			for path, value := range leafValues(t, c) {
				group, _, isMember := strings.Cut(path, ".")
				if isMember && !strings.Contains(everyFeature, group+":") {
					groups = append(groups, "--set="+group+"=null")
				}
				if setToNothing(path) || removable(path) || strings.HasSuffix(path, "enabled") && strings.Contains(everyFeature, group+": {enabled") {
					continue
				}
				if path != "telemetry.otlpEndpoint" {
					leaves = append(leaves, "--set="+path+"=null")
				}
				if _, isText := value.(string); isText && path != "telemetry.otlpEndpoint" {
					empties = append(empties, "--set="+path+"=")
				} else if isNumber(value) {
					empties = append(empties, "--set="+path+"=")
				}
			}
			for _, flags := range [][]string{groups, leaves, empties} {
				require.Greater(t, len(flags), 5)
				manifest, err := helmTemplate(t, c, c.Name, everyFeature, flags...)
				require.NoError(t, err)
				require.Equal(t, want, decode(t, manifest), flags)
			}
		})
	})

	t.Run("leave out what is copied into the objects", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			pod := podSpec(render(t, c, `{resources: {limits: null, requests: {cpu: null}}, podSecurityContext: {runAsUser: null},
				startupProbe: {periodSeconds: null}, securityContext: {capabilities: null}}`).find(t, "Deployment"))
			container := asObject(pod.at("containers.0"))
			require.Equal(t, map[string]any{"requests": map[string]any{"memory": "64Mi", "ephemeral-storage": "16Mi"}}, container["resources"])
			require.NotContains(t, pod["securityContext"], "runAsUser")
			require.NotContains(t, container["securityContext"], "capabilities")
			require.NotContains(t, container["startupProbe"], "periodSeconds")
			require.Equal(t, 2, container.at("readinessProbe.periodSeconds"))
			require.NotContains(t, render(t, c, "{replicaCount: null}").find(t, "Deployment")["spec"], "replicas")
		})
	})

	// The default would be another image, or an empty database.
	t.Run("are refused where the default could do harm", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for values, want := range map[string]string{
				"{image: {repository: null}}":                    "image.repository is set to nothing: name a repository",
				`{image: {repository: ""}}`:                      "image.repository is set to nothing: name a repository",
				"{database: {existingSecret: null}}":             `database.existingSecret is set to nothing: name a Secret, or set it to "" for SQLite.`,
				"{persistence: {existingClaim: null}}":           `persistence.existingClaim is set to nothing: name a claim, or set it to "" for a claim of the release.`,
				"{httpRoute: {enabled: true}}":                   "httpRoute.parentRefs is empty: name a Gateway",
				`{httpRoute: {enabled: true, parentRefs: null}}`: "httpRoute.parentRefs is empty: name a Gateway",
			} {
				require.Contains(t, renderError(t, c, values), want)
			}
			render(t, c, `{database: {existingSecret: ""}, persistence: {existingClaim: ""}}`)
		})
	})
}

// setToNothing reports whether a value must not be null.
func setToNothing(path string) bool {
	return path == "image.repository" || path == "database.existingSecret" || path == "persistence.existingClaim"
}

// removable reports whether null removes a value, rather than giving its default.
func removable(path string) bool {
	group, member, _ := strings.Cut(path, ".")
	return path == "replicaCount" || group == "resources" || strings.HasSuffix(group, "ecurityContext") ||
		strings.HasSuffix(group, "Probe") && (group != "readinessProbe" || member == "timeoutSeconds")
}

func isNumber(value any) bool {
	switch value.(type) {
	case int, float64:
		return true
	}
	return false
}

func TestNumbers(t *testing.T) {
	// Argo CD, Terraform and --set-string send every value as text.
	t.Run("may be text", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			numbers, texts := map[string]any{}, []string{}
			for path, value := range leafValues(t, c) {
				if !isNumber(value) {
					continue
				}
				other := otherValue(path, value)
				if path == "readinessProbe.failureThreshold" {
					other = 7
				}
				numbers[path] = other
				texts = append(texts, fmt.Sprintf("--set-string=%s=%v", path, other))
			}
			require.Greater(t, len(numbers), 25)
			var flags []string
			for path, value := range numbers {
				text, err := json.Marshal(value)
				require.NoError(t, err)
				flags = append(flags, "--set-json="+path+"="+string(text))
			}
			want, err := helmTemplate(t, c, c.Name, everyFeature, flags...)
			require.NoError(t, err)
			got, err := helmTemplate(t, c, c.Name, everyFeature, texts...)
			require.NoError(t, err)
			require.Equal(t, want, got)
			for _, text := range []string{"0.25", "0.250", ".25", "2.5e-1"} {
				manifest, err := helmTemplate(t, c, c.Name, everyFeature, "--set-string=slo.latencySeconds="+text)
				require.NoError(t, err)
				require.Contains(t, manifest, `le=~"0.25([.]0)?"`)
			}
			budget, err := helmTemplate(t, c, c.Name, everyFeature, "--set-string=podDisruptionBudget.maxUnavailable=2")
			require.NoError(t, err)
			require.Equal(t, 2, decode(t, budget).find(t, "PodDisruptionBudget").at("spec.maxUnavailable"))
		})
	})

	t.Run("have the same limits as text", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for values, want := range map[string]string{
				`{database: {port: "65536"}}`:               "database.port is 65536, but must be at most 65535.",
				`{config: {maxInFlight: "0"}}`:              "config.maxInFlight is 0, but must be at least 1.",
				`{slo: {latencySeconds: "0.3"}}`:            "slo.latencySeconds is 0.3, but must be one of 0.005, 0.01,",
				`{slo: {availabilityPercent: "100"}}`:       "slo.availabilityPercent is 100, but must be less than 100.",
				`{prometheusRule: {timeScale: "0"}}`:        "prometheusRule.timeScale is 0, but must be more than 0.",
				`{telemetry: {samplingRatio: "1.5"}}`:       "telemetry.samplingRatio is 1.5, but must be at most 1.",
				`{minReadySeconds: "-1"}`:                   "at '/minReadySeconds': '-1' does not match",
				`{config: {drainDelaySeconds: "7"}}`:        "config.drainDelaySeconds is 7, but readiness probes may mark",
				`{readinessProbe: {failureThreshold: "1"}}`: "config.drainDelaySeconds is 5, but readiness probes may mark",
			} {
				require.Contains(t, renderError(t, c, values), want)
			}
		})
	})
}

func TestQuantities(t *testing.T) {
	t.Run("have every unit of Kubernetes", func(t *testing.T) {
		for _, limit := range []string{"1Ti", "2E", "1Pi", "7Ei", "1e9", "2T", "268435456000m", "268435456", "1.5Gi"} {
			pod := podSpec(render(t, usersChart, fmt.Sprintf("{resources: {limits: {memory: %q}}}", limit)).find(t, "Deployment"))
			require.Equal(t, limit, pod.at("containers.0.resources.limits.memory"))
			claim := render(t, usersChart, fmt.Sprintf("{persistence: {size: %q}}", limit)).find(t, "PersistentVolumeClaim")
			require.Equal(t, limit, claim.at("spec.resources.requests.storage"))
		}
	})

	t.Run("may be numbers", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, "{resources: {limits: {memory: 268435456, cpu: 1.5},"+
				" requests: {cpu: 1, memory: 67108864}}, persistence: {size: 1073741824}}")
			pod := podSpec(all.find(t, "Deployment"))
			require.Equal(t, 268435456, pod.at("containers.0.resources.limits.memory"))
			require.Equal(t, 67108864, pod.at("containers.0.resources.requests.memory"))
			require.Equal(t, "1073741824", all.find(t, "PersistentVolumeClaim").at("spec.resources.requests.storage"))
		})
	})

	t.Run("reject what Kubernetes rejects", func(t *testing.T) {
		for _, quantity := range []string{"1KB", "1 Gi", "-1", "much", "1Gib"} {
			message := renderError(t, usersChart, fmt.Sprintf("{resources: {requests: {memory: %q}}}", quantity))
			require.Contains(t, message, "at '/resources/requests/memory'")
			require.Contains(t, renderError(t, usersChart, fmt.Sprintf("{persistence: {size: %q}}", quantity)), "at '/persistence/size'")
		}
	})
}

func TestDatabaseURL(t *testing.T) {
	t.Run("in extraEnv means PostgreSQL", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for _, variable := range []string{
				"{name: DATABASE_URL, value: 'postgres://me@db/x'}",
				"{name: DATABASE_URL, valueFrom: {secretKeyRef: {name: db, key: url}}}",
			} {
				all := render(t, c, "{replicaCount: 2, extraEnv: ["+variable+"], database: {port: 6432}}")
				deployment := all.find(t, "Deployment")
				require.Nil(t, all.find(t, "PersistentVolumeClaim"))
				require.Nil(t, volume(podSpec(deployment), "data"))
				require.Equal(t, "RollingUpdate", deployment.at("spec.strategy.type"))
				require.NotNil(t, all.find(t, "PodDisruptionBudget"))
				require.Contains(t, all.find(t, "NetworkPolicy", c.Name).at("spec.egress"), parseList(t, egressToPort(6432)).([]any)[0])
			}
			sqlite := render(t, c, `{extraEnv: [{name: DATABASE_URL, value: ""}, {name: GOGC, value: "50"}]}`)
			require.NotNil(t, sqlite.find(t, "PersistentVolumeClaim"))
			require.Contains(t, renderNotes(t, c, "{extraEnv: [{name: DATABASE_URL, value: 'postgres://me@db/x'}]}"), "on PostgreSQL")
		})
	})
}

func TestExtraEnv(t *testing.T) {
	t.Run("rejects variables on which other fields depend", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for name, value := range map[string]string{
				"PORT": "service.port", "DATA_DIR": "persistence.existingClaim", "DRAIN_DELAY": "config.drainDelaySeconds",
				"SHUTDOWN_TIMEOUT": "config.shutdownTimeoutSeconds", "USERS_URL": "users.url", "OTEL_EXPORTER_OTLP_ENDPOINT": "telemetry.otlpEndpoint",
			} {
				require.Contains(t, renderError(t, c, "{extraEnv: [{name: "+name+", value: x}]}"),
					"extraEnv sets "+name+", on which other fields of the objects depend: set "+value)
			}
		})
	})
}

func TestLookups(t *testing.T) {
	// A look-up that the API server forbids fails the installation. Helm itself reads
	// the objects of the release, and keeps releases in Secrets of its namespace.
	t.Run("need no more permissions than Helm", func(t *testing.T) {
		found := map[string]bool{}
		for _, pattern := range []string{"*/templates/*.tpl", "*/templates/*.yaml", "*/templates/NOTES.txt"} {
			files, err := filepath.Glob(filepath.Join(chartsRoot, pattern))
			require.NoError(t, err)
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				for _, match := range regexp.MustCompile(`lookup "(\S+)" "(\S+)" (\S+)`).FindAllStringSubmatch(string(text), -1) {
					found[strings.Join(match[1:], " ")] = true
				}
			}
		}
		require.Equal(t, map[string]bool{
			"apps/v1 Deployment .Release.Namespace": true, "v1 Secret .Release.Namespace": true, "v1 Secret $.Release.Namespace": true,
		}, maps.Clone(found))
	})
}
