// Package charttest holds the charts to what they promise, and makes the files
// that both charts would otherwise repeat.
package charttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// sources is where the generated files of the charts come from.
const sources = "../../charts/service/sources"

// annotationMark begins a line of a comment that holds JSON schema.
const annotationMark = "@schema "

// chart is what differs between the sources' two uses.
type chart struct {
	Name   string
	Port   int
	Path   string
	Values []value
}

// value is a documented value, a row of the README's table.
type value struct{ Name, Default, Meaning string }

func bothCharts() []chart {
	return []chart{
		{Name: "users", Port: 5001, Path: "/users"},
		{Name: "orders", Port: 5002, Path: "/orders"},
	}
}

// generate returns the generated files of a chart by name.
func generate(c chart) (map[string]string, error) {
	values, err := execute("values.yaml", c)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(values), &document); err != nil {
		return nil, fmt.Errorf("values of %s: %w", c.Name, err)
	}
	d := describer{}
	schema, err := d.describe(document.Content[0], nil, false)
	if err != nil {
		return nil, fmt.Errorf("values of %s: %w", c.Name, err)
	}
	c.Values = d.values
	readme, err := execute("README.md", c)
	if err != nil {
		return nil, err
	}
	schemaText, err := asJSON(complete(schema))
	if err != nil {
		return nil, err
	}
	production, err := execute("values-production.yaml", c)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"values.yaml":            "# Made from ../service/sources/values.yaml by `make charts`; edit that.\n\n" + withoutAnnotations(values),
		"values-production.yaml": "# Made from ../service/sources/values-production.yaml by `make charts`; edit that, or a copy.\n\n" + production,
		"values.schema.json":     schemaText,
		"README.md":              "<!-- Made from ../service/sources by `make charts`; edit those. -->\n" + readme,
	}, nil
}

// withoutAnnotations drops the lines that only the generator reads.
func withoutAnnotations(values string) string {
	var kept strings.Builder
	for line := range strings.Lines(values) {
		if !strings.HasPrefix(strings.TrimSpace(line), "# "+annotationMark) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func execute(name string, c chart) (string, error) {
	source, err := os.ReadFile(filepath.Join(sources, name))
	if err != nil {
		return "", err
	}
	t, err := template.New(name).Parse(string(source))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, c)
	return out.String(), err
}

// describer walks the values, derives their JSON schema from the defaults and
// the comments, and notes what the comments say.
type describer struct{ values []value }

// describe returns the schema of a mapping's members. Inside a value that is
// documented as a whole, members need no comment of their own and may be taken
// away. All others must be there: with null for a value Helm drops its default,
// which the templates count on.
func (d *describer) describe(mapping *yaml.Node, path []string, documented bool) (map[string]any, error) {
	properties := map[string]any{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		schema, err := d.member(key, node, append(path[:len(path):len(path)], key.Value), documented)
		if err != nil {
			return nil, err
		}
		properties[key.Value] = schema
	}
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if !documented {
		schema["required"] = slices.Sorted(maps.Keys(properties))
	}
	return schema, nil
}

func (d *describer) member(key, node *yaml.Node, path []string, documented bool) (map[string]any, error) {
	name := strings.Join(path, ".")
	meaning, annotation, err := readComment(key.HeadComment)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if meaning != "" {
		standard, err := inline(node)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		d.values = append(d.values, value{name, standard, meaning})
		documented = true
	}
	schema := map[string]any{}
	switch {
	case node.Kind == yaml.MappingNode:
		if schema, err = d.describe(node, path, documented); err != nil {
			return nil, err
		}
		if len(node.Content) == 0 && annotation == nil {
			return nil, fmt.Errorf("%s: say with @schema what may stand in it", name)
		}
	case !documented:
		return nil, fmt.Errorf("%s: say in a comment what it means", name)
	case node.Kind == yaml.SequenceNode:
		if annotation["items"] == nil {
			return nil, fmt.Errorf("%s: say with @schema what its items are", name)
		}
		schema["type"] = "array"
	default:
		schema["type"] = map[string]string{"!!str": "string", "!!int": "integer", "!!float": "number", "!!bool": "boolean"}[node.Tag]
	}
	if meaning != "" {
		schema["description"] = meaning
	}
	mergeInto(schema, annotation)
	return schema, nil
}

// readComment splits a comment into what it says and its line "@schema {…}",
// JSON schema that is laid over the derived one.
func readComment(comment string) (meaning string, annotation map[string]any, err error) {
	var words []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if rest, ok := strings.CutPrefix(line, annotationMark); ok {
			if err := yaml.Unmarshal([]byte(rest), &annotation); err != nil {
				return "", nil, fmt.Errorf("@schema: %w", err)
			}
			continue
		}
		words = append(words, line)
	}
	return strings.Join(words, " "), annotation, nil
}

// mergeInto lays one schema over another.
func mergeInto(schema, over map[string]any) {
	for key, member := range over {
		below, isMap := schema[key].(map[string]any)
		if above, ok := member.(map[string]any); ok && isMap {
			mergeInto(below, above)
			continue
		}
		schema[key] = member
	}
}

// complete makes the schema of the values a document. Helm itself adds the
// member "global", and again under the name of the library chart.
func complete(schema map[string]any) map[string]any {
	document := maps.Clone(schema)
	document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	document["$comment"] = "Made from ../service/sources/values.yaml by `make charts`; edit that."
	properties := document["properties"].(map[string]any)
	properties["global"] = map[string]any{"type": "object"}
	service := properties["service"].(map[string]any)["properties"].(map[string]any)
	service["global"] = map[string]any{"type": "object"}
	return document
}

// inline is a default as the README's table shows it.
func inline(node *yaml.Node) (string, error) {
	var plain any
	if err := node.Decode(&plain); err != nil {
		return "", err
	}
	text, err := json.Marshal(plain)
	return "`" + string(text) + "`", err
}

func asJSON(schema map[string]any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(schema)
	return out.String(), err
}
