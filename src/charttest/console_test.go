package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConsole(t *testing.T) {
	const (
		routes  = "ingress: {enabled: true}, httpRoute: {enabled: true, parentRefs: [{name: gateway}]}"
		exposed = "console: {exposed: true}"
	)
	t.Run("is at no Ingress and at no HTTPRoute unless it is exposed", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			for values, want := range map[string]bool{
				"{" + routes + "}": false, "{" + routes + ", " + exposed + "}": true,
				"{" + routes + ", console: {enabled: false, exposed: true}}": false,
			} {
				manifest, err := helmTemplate(t, c, c.Name, values)
				require.NoError(t, err)
				for _, path := range []string{"/", "/console", "/docs", "/openapi.yaml", "/health"} {
					require.Equal(t, want, strings.Contains(manifest, "- path: "+path+"\n"), "%s %s", values, path)
					require.Equal(t, want, strings.Contains(manifest, "value: "+path+"\n"), "%s %s", values, path)
				}
				require.NotContains(t, manifest, "- path: /metrics")
				require.NotContains(t, manifest, "value: /metrics")
			}
		})
	})

	t.Run("is named by the notes, unless it is off", func(t *testing.T) {
		forEachChart(t, func(t *testing.T, c chart) {
			require.Contains(t, renderNotes(t, c, ""), "in a browser: http://localhost:500")
			require.NotContains(t, renderNotes(t, c, "{console: {enabled: false}}"), "in a browser")
		})
	})
}
