package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tandem/src/charts/generate"
)

// charts writes an archive of each chart. The archives have the version of the
// release, and their charts install the images of the release.
func (r release) charts() error {
	folder, err := os.MkdirTemp("", "charts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(r.root, "charts"))); err != nil {
		return err
	}
	if err := r.stampAll(folder); err != nil {
		return err
	}
	for _, name := range []string{"users", "orders", generate.UmbrellaName} {
		if err := r.execute(nil, "helm", "package", filepath.Join(folder, name), "--destination", r.dist); err != nil {
			return err
		}
	}
	return nil
}

// stampAll stamps the files of all charts below a folder, also those inside an
// umbrella chart.
func (r release) stampAll(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		stamped := r.stamp(entry.Name(), string(text))
		return os.WriteFile(path, []byte(stamped), 0o644) //nolint:gosec // readable by everybody
	})
}

// stamp returns the text of a chart's file for the release.
func (r release) stamp(name, text string) string {
	switch name {
	case "Chart.yaml":
		text = regexp.MustCompile(`(?m)^( *)(version|appVersion): .*$`).ReplaceAllString(text, fmt.Sprintf(`$1$2: "%s"`, r.version))
		text = regexp.MustCompile(`(?m)^( *image: .*):.*$`).ReplaceAllString(text, "$1:"+r.version)
	case "values.yaml", "README.md":
	default:
		return text
	}
	if r.registry == "" {
		return text
	}
	own := strings.TrimSuffix(r.registry, "/") + "/tandem/"
	for _, before := range []string{"image: ", "repository: ", "`\""} {
		text = strings.ReplaceAll(text, before+"tandem/", before+own)
	}
	return text
}
