package generate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// annotationPrefix begins a comment line that holds a JSON schema, as a YAML
// flow mapping.
const annotationPrefix = "@schema "

// documentedValue is a value with a comment, a row of the table in the README.
type documentedValue struct {
	Name        string // path with dots, such as "image.tag"
	Default     string // as JSON in backticks
	Description string
}

// schemaBuilder walks a values.yaml. It derives the JSON schema and the rules from
// the default values and the comments, and collects the documented values.
type schemaBuilder struct{ documented []documentedValue }

// mapping returns the schema of a mapping at a path and the rules of its members.
// documented says that a mapping further out has a comment that describes it as a
// whole. Then the members need no comment, and a member without a value stays
// without one, unless it is in required.
func (b *schemaBuilder) mapping(node *yaml.Node, path []string, documented bool, required []any) (map[string]any, map[string]rule, error) {
	properties, rules := map[string]any{}, map[string]rule{}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		optional := documented && !slices.Contains(required, any(key.Value))
		schema, r, err := b.member(key, value, append(slices.Clone(path), key.Value), documented, optional)
		if err != nil {
			return nil, nil, err
		}
		properties[key.Value], rules[key.Value] = schema, r
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}, rules, nil
}

// member returns the schema and the rule of one member of a mapping.
func (b *schemaBuilder) member(key, value *yaml.Node, path []string, documented, optional bool) (map[string]any, rule, error) {
	name := strings.Join(path, ".")
	description, annotation, err := parseComment(key.HeadComment)
	if err != nil {
		return nil, rule{}, fmt.Errorf("%s: %w", name, err)
	}
	var defaultValue any
	if err := value.Decode(&defaultValue); err != nil {
		return nil, rule{}, fmt.Errorf("%s: %w", name, err)
	}
	if description != "" {
		text, err := json.Marshal(defaultValue)
		if err != nil {
			return nil, rule{}, fmt.Errorf("%s: %w", name, err)
		}
		b.documented = append(b.documented, documentedValue{name, "`" + string(text) + "`", description})
		documented = true
	}
	required, _ := annotation["required"].([]any)
	schema, members, err := b.typeOf(value, path, documented, annotation, required)
	if err != nil {
		return nil, rule{}, err
	}
	if description != "" {
		schema["description"] = description
	}
	delete(annotation, "required")
	overlay(schema, annotation)
	r := newRule(schema, defaultValue, members, optional)
	admitNothing(schema)
	return schema, r, nil
}

// typeOf returns the schema that follows from a default value alone. It fails
// where the annotation or the comment lacks what a default cannot tell.
func (b *schemaBuilder) typeOf(
	value *yaml.Node, path []string, documented bool, annotation map[string]any, required []any,
) (map[string]any, map[string]rule, error) {
	name := strings.Join(path, ".")
	switch {
	case value.Kind == yaml.MappingNode && len(value.Content) == 0 && annotation == nil:
		return nil, nil, fmt.Errorf("%s: an empty mapping needs @schema for its members", name)
	case value.Kind == yaml.MappingNode:
		return b.mapping(value, path, documented, required)
	case !documented:
		return nil, nil, fmt.Errorf("%s: a comment with the description is missing", name)
	case value.Kind == yaml.SequenceNode && annotation["items"] == nil:
		return nil, nil, fmt.Errorf("%s: a list needs @schema with \"items\"", name)
	case value.Kind == yaml.SequenceNode:
		return map[string]any{"type": "array"}, nil, nil
	}
	types := map[string]string{"!!str": "string", "!!int": "integer", "!!float": "number", "!!bool": "boolean"}
	return map[string]any{"type": types[value.Tag]}, nil, nil
}

// parseComment splits a comment into the description and the JSON schema of its
// line "@schema {…}", which is nil if there is no such line.
func parseComment(comment string) (description string, annotation map[string]any, err error) {
	var lines []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if schema, ok := strings.CutPrefix(line, annotationPrefix); ok {
			if err := yaml.Unmarshal([]byte(schema), &annotation); err != nil {
				return "", nil, fmt.Errorf("@schema: %w", err)
			}
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " "), annotation, nil
}

// removeAnnotations returns the values without the lines that only this package
// reads.
func removeAnnotations(values string) string {
	var kept strings.Builder
	for line := range strings.Lines(values) {
		if !strings.HasPrefix(strings.TrimSpace(line), "# "+annotationPrefix) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// overlay merges an annotation into a derived schema. The annotation wins.
func overlay(schema, annotation map[string]any) {
	for key, member := range annotation {
		derived, isMap := schema[key].(map[string]any)
		if inner, ok := member.(map[string]any); ok && isMap {
			overlay(derived, inner)
			continue
		}
		schema[key] = member
	}
}

// schemaDocument returns the schema of all values as a document. It admits two
// values that the chart itself does not use: "enabled" is the condition by which
// an umbrella chart includes the chart, and Helm passes it on. "service.global" is
// in the values of a release of version 0.1.0, to which Helm added it.
func schemaDocument(schema map[string]any) map[string]any {
	document := maps.Clone(schema)
	document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	document["$comment"] = notice("values.yaml")
	properties := document["properties"].(map[string]any)
	properties["enabled"] = map[string]any{
		"type": []string{"boolean", "null"}, "description": "For the condition of an umbrella chart. Has no effect in this chart.",
	}
	service := properties["service"].(map[string]any)["properties"].(map[string]any)
	service["global"] = map[string]any{"type": "object"}
	return document
}
