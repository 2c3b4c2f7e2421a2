package console

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is an OpenAPI document. Its parts are nodes of YAML, which keep the order of the members.
type document struct{ root *yaml.Node }

// member is a member of an object.
type member struct {
	name  string
	value *yaml.Node
}

func parseDocument(text []byte) (*document, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	if len(node.Content) != 1 {
		return nil, fmt.Errorf("read the contract: it is empty")
	}
	return &document{node.Content[0]}, nil
}

// members returns the members of an object in their order, and none of anything else.
func (d *document) members(object *yaml.Node) (found []member) {
	object = d.resolve(object)
	if object == nil || object.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(object.Content); i += 2 {
		found = append(found, member{object.Content[i].Value, object.Content[i+1]})
	}
	return found
}

// get returns the value at a path of members, or nil.
func (d *document) get(object *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var next *yaml.Node
		for _, m := range d.members(object) {
			if m.name == name {
				next = m.value
			}
		}
		object = next
	}
	return d.resolve(object)
}

// text returns the text at a path of members, or the empty string.
func (d *document) text(object *yaml.Node, path ...string) string {
	if node := d.get(object, path...); node != nil && node.Kind == yaml.ScalarNode {
		return strings.TrimSpace(node.Value)
	}
	return ""
}

// resolve follows a $ref, such as #/components/schemas/Order.
func (d *document) resolve(node *yaml.Node) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return node
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "$ref" {
			path := strings.Split(strings.TrimPrefix(node.Content[i+1].Value, "#/"), "/")
			return d.get(d.root, path...)
		}
	}
	return node
}

// example is a value of JSON whose members keep their order.
type example struct {
	value   any // unless it is an object
	members []exampleMember
}

type exampleMember struct {
	name  string
	value example
}

// example returns an example of a schema, made of those of its members.
func (d *document) example(schema *yaml.Node) example {
	if given := d.get(schema, "example"); given != nil {
		var value any
		_ = given.Decode(&value) // what is no value of Go becomes null
		return example{value: value}
	}
	if variants := d.get(schema, "oneOf"); variants != nil {
		return d.example(variants.Content[0])
	}
	if d.text(schema, "type") == "array" {
		return example{value: []example{d.example(d.get(schema, "items"))}}
	}
	if choices := d.get(schema, "enum"); choices != nil && len(choices.Content) > 0 {
		return example{value: choices.Content[0].Value}
	}
	if d.text(schema, "type") == "string" {
		return example{value: ""}
	}
	object := example{members: []exampleMember{}}
	if all := d.get(schema, "allOf"); all != nil {
		for _, part := range all.Content {
			object.members = append(object.members, d.example(part).members...)
		}
	}
	for _, m := range d.members(d.get(schema, "properties")) {
		object.members = append(object.members, exampleMember{m.name, d.example(m.value)})
	}
	return object
}

// with returns the example with another value of a member, if it has that.
func (e example) with(name string, value any) example {
	for i, m := range e.members {
		if m.name == name {
			e.members[i].value = example{value: value}
		}
	}
	return e
}

// MarshalJSON encodes the example with its members in their order.
func (e example) MarshalJSON() ([]byte, error) {
	if e.members == nil {
		return json.Marshal(e.value)
	}
	var b strings.Builder
	for i, m := range e.members {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", m.name, value)
	}
	return []byte("{" + b.String() + "}"), nil
}

// String returns the example as a person writes it: text as it is, and JSON indented. It is empty
// if the schema has no example.
func (e example) String() string {
	if e.members != nil && len(e.members) == 0 {
		return ""
	}
	if text, ok := e.value.(string); ok {
		return text
	}
	indented, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(indented)
}
