// Package generate produces the files that the Helm charts users and orders have
// in common, and the umbrella chart's copies of both. values.yaml,
// values-production.yaml, values.schema.json and README.md come from text
// templates in charts/service/sources, templates and dashboards from the library
// in charts/service.
package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// Chart holds what differs between the generated files of the two charts.
type Chart struct {
	Name string // of the chart and of its service
	Port int    // of the container
	Path string // prefix of the API
}

// Charts returns the charts that have generated files.
func Charts() []Chart {
	return []Chart{
		{Name: "users", Port: 5001, Path: "/users"},
		{Name: "orders", Port: 5002, Path: "/orders"},
	}
}

// Files returns the content of a chart's generated files by their path in the
// chart. root is the folder of all charts.
func Files(root string, c Chart) (map[string]string, error) {
	files, err := library(root, c)
	if err != nil {
		return nil, err
	}
	described, err := values(root, c)
	maps.Copy(files, described)
	return files, err
}

// values returns the files that describe the values of a chart.
func values(root string, c Chart) (map[string]string, error) {
	text, err := execute(root, "values.yaml", c)
	if err != nil {
		return nil, err
	}
	schema, rules, documented, err := describeValues(text)
	if err != nil {
		return nil, fmt.Errorf("values of %s: %w", c.Name, err)
	}
	schemaJSON, err := encodeJSON(schema)
	if err != nil {
		return nil, err
	}
	rulesText, err := rulesTemplate(c, rules)
	if err != nil {
		return nil, err
	}
	readme, err := execute(root, "README.md", struct {
		Chart
		Values []documentedValue
	}{c, documented})
	if err != nil {
		return nil, err
	}
	production, err := execute(root, "values-production.yaml", c)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"values.yaml":               "# " + notice("values.yaml") + "\n\n" + removeAnnotations(text),
		"values-production.yaml":    "# " + notice("values-production.yaml") + "\n\n" + production,
		"values.schema.json":        schemaJSON,
		"templates/_valuerules.tpl": rulesText,
		"README.md":                 "<!-- " + notice("README.md and values.yaml") + " -->\n" + readme,
	}, nil
}

// notice returns the comment that tells how a file is generated.
func notice(sources string) string { return Mark + sources + " in charts/service/sources: edit there." }

// describeValues returns the JSON schema of a values.yaml, the rules that complete
// values, and the documented values in the order of the file.
func describeValues(values string) (map[string]any, map[string]rule, []documentedValue, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(values), &document); err != nil {
		return nil, nil, nil, err
	}
	var b schemaBuilder
	schema, rules, err := b.mapping(document.Content[0], nil, false, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	return schemaDocument(schema), rules, b.documented, nil
}

// execute returns the text that a template in the sources yields for data.
func execute(root, name string, data any) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, "service/sources", name))
	if err != nil {
		return "", err
	}
	t, err := template.New(name).Parse(string(source))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, data)
	return out.String(), err
}

func encodeJSON(schema map[string]any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(schema)
	return out.String(), err
}
