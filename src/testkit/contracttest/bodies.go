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
	Name  string // what is special about it
	JSON  []byte
	Valid bool // whether the schema accepts it
}

// Bodies derives request bodies from the JSON schema of an operation: the
// example, and the example with one thing changed, so that each bound of each
// member is met from both sides. A service agrees with its document if it
// refuses exactly the invalid ones as malformed. Valid ones it may still refuse
// for what a schema cannot say: an address that is taken, a user that is gone.
//
// Only the members in the schema's own properties are varied, and only one level
// deep. It is an error if there is no such operation, if it takes no JSON
// object, or if the examples in the document do not make a valid body.
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
	for _, v := range slices.Concat(wholes(example), membersOf(schema, example)) {
		body, err := judge(schema, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operationID, err)
		}
		bodies = append(bodies, body)
	}
	if !bodies[0].Valid {
		return nil, fmt.Errorf("%s: the examples do not make a valid body: %s", operationID, bodies[0].JSON)
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
		return nil, fmt.Errorf("%s takes no JSON object", operationID)
	}
	return nil, fmt.Errorf("there is no operation %q", operationID)
}

// judge writes a body and asks the schema about what was written.
func judge(schema *openapi3.Schema, v variant) (Body, error) {
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

// with is the object with one member set.
func (o object) with(name string, value any) object {
	c := maps.Clone(o)
	c[name] = value
	return c
}

// without is the object with one member removed.
func (o object) without(name string) object {
	c := maps.Clone(o)
	delete(c, name)
	return c
}

// wholes vary the body as a whole; the first is the example itself.
func wholes(example object) []variant {
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

// membersOf vary one member after the other.
func membersOf(schema *openapi3.Schema, example object) []variant {
	var all []variant
	for _, name := range slices.Sorted(maps.Keys(example)) {
		all = append(all,
			variant{"without " + name, example.without(name)},
			variant{"only " + name, object{name: example[name]}})
		for _, v := range variantsOf(schema.Properties[name].Value, example[name]) {
			all = append(all, variant{name + " " + v.name, example.with(name, v.value)})
		}
	}
	return all
}
