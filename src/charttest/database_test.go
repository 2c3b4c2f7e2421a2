package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutValuesASingleOwnerKeepsSQLiteOnAClaim(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, "")
		deployment := all.one(t, "Deployment")
		pod := podOf(deployment)
		require.Equal(t, 1, deployment.at("spec.replicas"))
		require.Equal(t, "Recreate", deployment.at("spec.strategy.type"))
		require.Equal(t, "/data", all.settings(t).at("data.DATA_DIR"))
		require.Contains(t, pod.at("containers.0.volumeMounts"), map[string]any{"name": "data", "mountPath": "/data"})
		claim := all.one(t, "PersistentVolumeClaim")
		require.Equal(t, claim.at("metadata.name"), volume(pod, "data").at("persistentVolumeClaim.claimName"))
		require.Equal(t, "keep", claim.at("metadata.annotations").(map[string]any)["helm.sh/resource-policy"])
		require.Nil(t, env(pod, "DATABASE_URL"))
	}
}

func TestMorePodsOnSQLiteAreRefusedWithAReason(t *testing.T) {
	for _, c := range bothCharts() {
		require.Contains(t, refusal(t, c, "{replicaCount: 2}"),
			"replicaCount is 2, but SQLite is a file that one pod owns: set database.existingSecret to use PostgreSQL, or replicaCount to 1.")
		require.Contains(t, refusal(t, c, "{autoscaling: {enabled: true}}"),
			"autoscaling.enabled is true, but SQLite is a file that one pod owns")
	}
}

func TestPostgreSQLComesFromASecretAndRollsWithoutLosingCapacity(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, "{database: {existingSecret: db, secretKey: url}, replicaCount: 3}")
		deployment := all.one(t, "Deployment")
		pod := podOf(deployment)
		require.Equal(t, 3, deployment.at("spec.replicas"))
		require.Equal(t, map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": 0, "maxSurge": 1}},
			deployment.at("spec.strategy"))
		require.Equal(t, map[string]any{"secretKeyRef": map[string]any{"name": "db", "key": "url"}}, env(pod, "DATABASE_URL"))
		require.Nil(t, all.one(t, "PersistentVolumeClaim"))
		require.Nil(t, volume(pod, "data"))
	}
}

func TestTheSQLiteVolumeCanBeChosen(t *testing.T) {
	for _, c := range bothCharts() {
		all := render(t, c, "{persistence: {existingClaim: mine}}")
		require.Nil(t, all.one(t, "PersistentVolumeClaim"))
		require.Equal(t, "mine", volume(podOf(all.one(t, "Deployment")), "data").at("persistentVolumeClaim.claimName"))

		all = render(t, c, "{persistence: {enabled: false}}")
		require.Nil(t, all.one(t, "PersistentVolumeClaim"))
		require.Contains(t, volume(podOf(all.one(t, "Deployment")), "data"), "emptyDir")

		claim := render(t, c, "{persistence: {size: 5Gi, storageClass: fast, annotations: {backup: daily}}}").one(t, "PersistentVolumeClaim")
		require.Equal(t, "5Gi", claim.at("spec.resources.requests.storage"))
		require.Equal(t, "fast", claim.at("spec.storageClassName"))
		require.Equal(t, map[string]any{"helm.sh/resource-policy": "keep", "backup": "daily"}, claim.at("metadata.annotations"))
	}
}

// volume is a pod's volume by name, or nil.
func volume(pod object, name string) object {
	volumes, _ := pod.at("volumes").([]any)
	for _, v := range volumes {
		if volume := asObject(v); volume["name"] == name {
			return volume
		}
	}
	return nil
}
