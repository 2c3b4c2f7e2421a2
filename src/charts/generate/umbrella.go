package generate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// UmbrellaName is the chart that installs users and orders in one release.
const UmbrellaName = "tandem"

// Umbrella returns the umbrella chart's copies of the other charts, by their path
// in the umbrella chart. Helm takes a chart's dependencies from its folder charts
// only. root is the folder of all charts, with current generated files.
func Umbrella(root string) (map[string]string, error) {
	copies := map[string]string{}
	for _, c := range Charts() {
		texts, err := readFolder(filepath.Join(root, c.Name))
		if err != nil {
			return nil, err
		}
		for name, text := range texts {
			if name == "README.md" || name == "values-production.yaml" { // Helm does not use them
				continue
			}
			copies["charts/"+c.Name+"/"+name] = withNotice(name, "charts/"+c.Name+"/"+name, text)
		}
	}
	return copies, nil
}

// Write writes the generated files of all charts, and removes those that are no
// longer generated. root is the folder of all charts.
func Write(root string) error {
	for _, c := range Charts() {
		files, err := Files(root, c)
		if err != nil {
			return err
		}
		if err := replaceGenerated(filepath.Join(root, c.Name), files); err != nil {
			return err
		}
	}
	copies, err := Umbrella(root)
	if err != nil {
		return err
	}
	return replaceGenerated(filepath.Join(root, UmbrellaName), copies)
}

// replaceGenerated writes the generated files of one chart and removes the other
// generated ones.
func replaceGenerated(folder string, files map[string]string) error {
	stale, err := Stale(folder, files)
	if err != nil {
		return err
	}
	for _, name := range stale {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // readable by everybody, like every chart
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // readable by everybody, like every chart
			return err
		}
	}
	return nil
}

// Stale returns the paths of generated files in a chart's folder that are not
// among files, the current ones: those with Mark, and everything in the folder of
// its dependencies.
func Stale(folder string, files map[string]string) ([]string, error) {
	present, err := readFolder(folder)
	if err != nil {
		return nil, err
	}
	var stale []string
	for name, text := range present {
		_, current := files[name]
		if !current && (strings.Contains(text, Mark) || strings.HasPrefix(name, "charts/")) {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	return stale, nil
}
