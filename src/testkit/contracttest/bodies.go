package contracttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// Body is a request body at a boundary of its schema.
type Body struct {
	Name  string // describes how it differs from the example
	JSON  []byte
	Valid bool // whether the schema accepts it
}

// Bodies returns request bodies for an operation, derived from its JSON schema:
// the example, and the example with one change. The changes cover both sides of
// each bound of each member. A service conforms to its document if it rejects
// exactly the invalid bodies as malformed. It may reject a valid body for a
// reason that a schema cannot express, such as an e-mail address that is taken.
//
// Only members in the schema's own properties change, and only at the top level.
// Bodies returns an error if there is no such operation, if its body is not a
// JSON object, or if the examples in the document do not form a valid body.
func Bodies(c *Contract, operationID string) ([]Body, error) {
	schema, err := c.bodySchema(operationID)
	if err != nil {
		return nil, err
	}
	example := object{}
	for name, property := range schema.Properties {
		example[name] = exampleOf(property.Value)
	}
	var bodies []Body
	for _, v := range slices.Concat(bodyVariants(example), allMemberVariants(schema, example)) {
		body, err := newBody(schema, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operationID, err)
		}
		bodies = append(bodies, body)
	}
	if !bodies[0].Valid {
		return nil, fmt.Errorf("%s: the examples do not form a valid body: %s", operationID, bodies[0].JSON)
	}
	return bodies, nil
}

func (c *Contract) bodySchema(operationID string) (*openapi3.Schema, error) {
	for _, op := range c.operations() {
		if op.OperationID != operationID {
			continue
		}
		if op.RequestBody != nil {
			media := op.RequestBody.Value.Content["application/json"]
			if media != nil && media.Schema != nil && media.Schema.Value.Type.Is("object") {
				return media.Schema.Value, nil
			}
		}
		return nil, fmt.Errorf("the body of %s is not a JSON object", operationID)
	}
	return nil, fmt.Errorf("there is no operation %q", operationID)
}

// newBody encodes a variant and validates the encoded body.
func newBody(schema *openapi3.Schema, v variant) (Body, error) {
	text, err := json.Marshal(v.value)
	if err != nil {
		return Body{}, fmt.Errorf("%s: %w", v.name, err)
	}
	value, err := decodeJSON(text)
	if err != nil {
		return Body{}, fmt.Errorf("%s: %w", v.name, err)
	}
	err = schema.VisitJSON(value, schemaOptions(openapi3.VisitAsRequest())...)
	return Body{Name: v.name, JSON: text, Valid: err == nil}, nil
}

type object map[string]any

// with returns a copy of the object with one member set.
func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	c[name] = value
	return c
}

// without returns a copy of the object without one member.
func (o object) without(name string) object {
	c := maps.Clone(o)
	delete(c, name)
	return c
}

// bodyVariants returns variants of the body as a whole. The first one is the
// example itself.
func bodyVariants(example object) []variant {
	return []variant{
		{"the example", example},
		{"with an unknown member", example.with("unknown_member", "ignored")},
		{"no members", object{}},
		{"only an unknown member", object{"unknown_member": "ignored"}},
		{"null", nil},
		{"an array", []any{example}},
		{"a string", "text"},
	}
}

// allMemberVariants returns variants of each member of the example.
func allMemberVariants(schema *openapi3.Schema, example object) []variant {
	var all []variant
	for _, name := range slices.Sorted(maps.Keys(example)) {
		all = append(all,
			variant{"without " + name, example.without(name)},
			variant{"only " + name, object{name: example[name]}})
		for _, v := range valueVariants(schema.Properties[name].Value, example[name]) {
			all = append(all, variant{name + " " + v.name, example.with(name, v.value)})
		}
	}
	return all
}
