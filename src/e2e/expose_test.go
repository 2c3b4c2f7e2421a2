//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// TestExposedPaths renders an Ingress and an HTTPRoute for each chart and reads
// their paths.
func TestExposedPaths(t *testing.T) {
	for _, chart := range []string{"users", "orders"} {
		for kind, flags := range map[string][]string{
			"Ingress":   {"--set=ingress.enabled=true"},
			"HTTPRoute": {"--set=httpRoute.enabled=true", "--set=httpRoute.parentRefs[0].name=gateway"},
		} {
			t.Run(kind+" of "+chart, func(t *testing.T) {
				check(t, "the only path is /"+chart, func() error {
					rendered := run(append([]string{"helm", "template", chart, "charts/" + chart, "--kube-version=1.30"}, flags...)...)
					if rendered.err != nil {
						return rendered.err
					}
					if paths := pathsOf(kind, rendered.stdout); !slices.Equal(paths, []string{"/" + chart}) {
						return fmt.Errorf("the paths are %v", paths)
					}
					return nil
				})
			})
		}
	}
}

// pathsOf returns the paths in the objects of a kind.
func pathsOf(kind, manifest string) (paths []string) {
	for _, object := range regexp.MustCompile(`(?m)^---$`).Split(manifest, -1) {
		if regexp.MustCompile(`(?m)^kind: ` + kind + `$`).MatchString(object) {
			for _, match := range regexp.MustCompile(`(?m)(?:path|value): "?(/[^"\s]*)`).FindAllStringSubmatch(object, -1) {
				paths = append(paths, match[1])
			}
		}
	}
	return paths
}
