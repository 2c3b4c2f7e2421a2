package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDatabase(t *testing.T) {
	t.Run("is SQLite on a claim with one pod by default", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, "")
			deployment := all.find(t, "Deployment")
			pod := podSpec(deployment)
			require.Equal(t, 1, deployment.at("spec.replicas"))
			require.Equal(t, "Recreate", deployment.at("spec.strategy.type"))
			require.Equal(t, "/data", all.configMap(t).at("data.DATA_DIR"))
			require.Contains(t, pod.at("containers.0.volumeMounts"), map[string]any{"name": "data", "mountPath": "/data"})
			claim := all.find(t, "PersistentVolumeClaim")
			require.Equal(t, claim.at("metadata.name"), volume(pod, "data").at("persistentVolumeClaim.claimName"))
			require.Equal(t, "keep", claim.at("metadata.annotations").(map[string]any)["helm.sh/resource-policy"])
			require.Nil(t, env(pod, "DATABASE_URL"))
		})
	})

	t.Run("rejects several pods on SQLite", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Contains(t, renderError(t, c, "{replicaCount: 2}"),
				"replicaCount is 2, but only one pod can use a SQLite database: set database.existingSecret to use PostgreSQL, or replicaCount to 1.")
			require.Contains(t, renderError(t, c, "{autoscaling: {enabled: true}}"),
				"autoscaling.enabled is true, but only one pod can use a SQLite database")
		})
	})

	t.Run("is PostgreSQL with a Secret and rolls out without losing capacity", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, "{database: {existingSecret: db, secretKey: url}, replicaCount: 3}")
			deployment := all.find(t, "Deployment")
			pod := podSpec(deployment)
			require.Equal(t, 3, deployment.at("spec.replicas"))
			require.Equal(t, map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": 0, "maxSurge": 1}},
				deployment.at("spec.strategy"))
			require.Nil(t, env(pod, "DATABASE_URL"), "it would stay as it was at the start")
			require.Equal(t, "/database/url", env(pod, "DATABASE_URL_FILE"))
			require.Equal(t, object{"secretName": "db", "defaultMode": 288, "items": []any{map[string]any{"key": "url", "path": "url"}}},
				asObject(volume(pod, "database").at("secret")))
			require.Contains(t, pod.at("containers.0.volumeMounts"), map[string]any{"name": "database", "mountPath": "/database", "readOnly": true},
				"a folder without subPath, so that the kubelet updates it")
			require.Nil(t, all.find(t, "PersistentVolumeClaim"))
			require.Nil(t, volume(pod, "data"))
		})
	})

	t.Run("has the URL from extraEnv instead of the Secret", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for _, name := range []string{"DATABASE_URL", "DATABASE_URL_FILE"} {
				pod := podSpec(render(t, c, "{database: {existingSecret: db}, extraEnv: [{name: "+name+", value: x}]}").find(t, "Deployment"))
				require.Equal(t, "x", env(pod, name))
				require.Nil(t, volume(pod, "database"))
				require.Nil(t, volume(pod, "data"))
			}
			deployment := render(t, c, "{replicaCount: 3, extraEnv: [{name: DATABASE_URL_FILE, value: /run/url}]}").find(t, "Deployment")
			require.Equal(t, 3, deployment.at("spec.replicas"))
		})
	})

	t.Run("has a pool that the values size", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			data := asObject(render(t, c, "").configMap(t).at("data"))
			require.Equal(t, []any{"10", "1800s", "0s"},
				[]any{data["DATABASE_MAX_CONNECTIONS"], data["DATABASE_CONNECTION_LIFETIME"], data["DATABASE_CONNECTION_IDLE_TIME"]})
			const values = "{database: {maxConnections: 4, connectionLifetimeSeconds: 60, connectionIdleSeconds: 30}}"
			data = asObject(render(t, c, values).configMap(t).at("data"))
			require.Equal(t, []any{"4", "60s", "30s"},
				[]any{data["DATABASE_MAX_CONNECTIONS"], data["DATABASE_CONNECTION_LIFETIME"], data["DATABASE_CONNECTION_IDLE_TIME"]})
		})
	})

	t.Run("uses the SQLite volume that the values choose", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			all := render(t, c, "{persistence: {existingClaim: mine}}")
			require.Nil(t, all.find(t, "PersistentVolumeClaim"))
			require.Equal(t, "mine", volume(podSpec(all.find(t, "Deployment")), "data").at("persistentVolumeClaim.claimName"))

			all = render(t, c, "{persistence: {enabled: false}}")
			require.Nil(t, all.find(t, "PersistentVolumeClaim"))
			require.Contains(t, volume(podSpec(all.find(t, "Deployment")), "data"), "emptyDir")

			claim := render(t, c, "{persistence: {size: 5Gi, storageClass: fast, annotations: {backup: daily}}}").find(t, "PersistentVolumeClaim")
			require.Equal(t, "5Gi", claim.at("spec.resources.requests.storage"))
			require.Equal(t, "fast", claim.at("spec.storageClassName"))
			require.Equal(t, map[string]any{"helm.sh/resource-policy": "keep", "backup": "daily",
				"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}, claim.at("metadata.annotations"))
		})
	})
}

// volume returns a pod's volume by name, or nil.
func volume(pod object, name string) object {
	volumes, _ := pod.at("volumes").([]any)
	for _, v := range volumes {
		if volume := asObject(v); volume["name"] == name {
			return volume
		}
	}
	return nil
}
