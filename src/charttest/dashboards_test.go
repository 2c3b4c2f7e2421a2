package charttest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDashboards(t *testing.T) {
	// src/e2e runs the queries of the dashboards.
	t.Run("are distinct for each release", func(t *testing.T) {
		seen := map[string]bool{}
		forEachChart(t, func(t *testing.T, c chart) {
			want := map[string]int{"users": 1, "orders": 2}[c.Name]
			for _, release := range []string{c.Name, "shop"} {
				all := renderRelease(t, c, release, "{dashboards: {enabled: true, label: board}}")
				name := text(all.find(t, "Deployment").at("metadata.name"))
				dashboards := all.find(t, "ConfigMap", name+"-dashboards")
				require.Equal(t, "1", dashboards.at("metadata.labels.board"))
				files := asMap(dashboards["data"])
				require.Len(t, files, want)
				for file, content := range files {
					var dashboard struct{ UID, Title string }
					require.NoError(t, json.Unmarshal([]byte(text(content)), &dashboard), file)
					require.NotContains(t, content, "@", "a placeholder is not replaced")
					require.Contains(t, content, `namespace=\"shop\",job=\"`+name+`\"`)
					require.LessOrEqual(t, len(dashboard.UID), 40, "Grafana accepts at most 40 characters")
					require.False(t, seen[dashboard.UID], dashboard.UID)
					seen[dashboard.UID] = true
				}
			}
		})
	})
}
