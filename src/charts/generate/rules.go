package generate

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A line "@schema" may have members that make rules and that no schema has:
//
//   - x-quantity: true: the value is a quantity of Kubernetes, as text or a number.
//   - x-optional: true: the value stays absent if it is null or empty.
//   - x-nothing: SENTENCE: null is refused, and SENTENCE says what to set instead.
//
// required, of a mapping that a comment describes as a whole, lists the members
// that get their default if they are null.

// rule tells the template service.setDefaults how to complete one value. Helm
// validates values against the schema before that, and only checks numbers that
// are not written as text.
type rule struct {
	Members map[string]rule `json:"members,omitempty"` // of a mapping with fixed members
	// Default replaces a value that is null or empty. Without it the value stays absent.
	Default *any `json:"default,omitempty"`
	// Nothing is set if a value must not be set to nothing. It says what to set instead.
	Nothing string `json:"nothing,omitempty"`

	Boolean          bool     `json:"boolean,omitempty"` // text is converted to a boolean
	Number           bool     `json:"number,omitempty"`  // text is converted to a number
	Minimum          *float64 `json:"minimum,omitempty"`
	Maximum          *float64 `json:"maximum,omitempty"`
	ExclusiveMinimum *float64 `json:"exclusiveMinimum,omitempty"`
	ExclusiveMaximum *float64 `json:"exclusiveMaximum,omitempty"`
	Enum             []any    `json:"enum,omitempty"`
}

// Patterns of text that stands for a boolean or a number.
const (
	booleanPattern  = `^(true|false)?$`
	integerPattern  = `^([0-9]+)?$`
	decimalPattern  = `^([0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)?$`
	quantityPattern = `^(([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]+)?)?$`
)

// newRule returns the rule that follows from a schema, before admitNothing, and
// deletes the members of the schema that only rules have. An optional value has no
// default.
func newRule(schema map[string]any, defaultValue any, members map[string]rule, optional bool) rule {
	r := rule{Members: members}
	if !optional && schema["x-optional"] != true {
		r.Default = &defaultValue
	}
	delete(schema, "x-optional")
	r.Nothing, _ = schema["x-nothing"].(string)
	delete(schema, "x-nothing")
	r.Boolean = slices.Contains(types(schema), any("boolean"))
	if !isNumber(schema) || schema["x-quantity"] == true {
		return r
	}
	r.Number = true
	for key, limit := range map[string]**float64{
		"minimum": &r.Minimum, "maximum": &r.Maximum, "exclusiveMinimum": &r.ExclusiveMinimum, "exclusiveMaximum": &r.ExclusiveMaximum,
	} {
		*limit = asFloat(schema[key])
	}
	r.Enum, _ = schema["enum"].([]any)
	return r
}

// isNumber reports whether a schema admits numbers.
func isNumber(schema map[string]any) bool {
	return slices.ContainsFunc(types(schema), func(name any) bool { return name == "integer" || name == "number" })
}

// types returns the types that a schema admits.
func types(schema map[string]any) []any {
	if list, ok := schema["type"].([]any); ok {
		return list
	}
	return []any{schema["type"]}
}

// admitNothing changes the schema of a value so that it admits null, and "" where
// that means the default. A boolean or a number may be text too.
func admitNothing(schema map[string]any) {
	if schema["x-quantity"] == true {
		delete(schema, "x-quantity")
		schema["type"], schema["pattern"], schema["minimum"] = []any{"string", "number"}, quantityPattern, 0
	}
	admitEmptyEnum(schema)
	if schema["minLength"] == 1 {
		delete(schema, "minLength")
	}
	list := slices.Clone(types(schema))
	if isNumber(schema) {
		list = appendMissing(list, "string")
		if schema["pattern"] == nil {
			schema["pattern"] = numberPattern(list[0])
		}
	}
	if slices.Contains(list, any("boolean")) {
		list, schema["pattern"] = appendMissing(list, "string"), booleanPattern
	}
	if list[0] != nil {
		schema["type"] = appendMissing(list, "null")
	}
	admitNullMembers(schema)
}

// admitNullMembers changes the schema of a value so that it admits null for the
// members of mappings in it, at any level, that are not required.
func admitNullMembers(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for name, member := range properties {
		if !slices.Contains(required, any(name)) {
			admitNull(member)
		}
	}
	admitNull(schema["additionalProperties"])
	if items, ok := schema["items"].(map[string]any); ok {
		admitNullMembers(items)
	}
}

func admitNull(schema any) {
	member, ok := schema.(map[string]any)
	if !ok {
		return
	}
	if list := types(member); list[0] != nil {
		member["type"] = appendMissing(list, "null")
	}
	admitNullMembers(member)
}

// admitEmptyEnum extends an enumeration by null and "", or by text if it lists
// numbers: the template checks text.
func admitEmptyEnum(schema map[string]any) {
	enum, ok := schema["enum"].([]any)
	switch {
	case ok && isNumber(schema):
		delete(schema, "enum")
		schema["anyOf"] = []any{map[string]any{"enum": append(slices.Clone(enum), nil)}, map[string]any{"type": "string"}}
	case ok:
		schema["enum"] = append(slices.Clone(enum), "", nil)
	}
}

func numberPattern(name any) string {
	if name == "integer" {
		return integerPattern
	}
	return decimalPattern
}

func appendMissing(list []any, item any) []any {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

func asFloat(v any) *float64 {
	switch v := v.(type) {
	case int:
		f := float64(v)
		return &f
	case float64:
		return &v
	}
	return nil
}

// rulesTemplate returns a file with the template CHART.valueRules, which holds
// the rules of all values as JSON, one line for each member.
func rulesTemplate(c Chart, rules map[string]rule) (string, error) {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		text, err := json.Marshal(rules[name])
		if err != nil {
			return "", err
		}
		lines = append(lines, strconv.Quote(name)+": "+string(text))
	}
	return "{{/* " + notice("values.yaml") + " Rules for service.setDefaults, as JSON. */}}\n" +
		"{{- define \"" + c.Name + ".valueRules\" -}}\n{\n" + strings.Join(lines, ",\n") + "\n}\n{{- end }}\n", nil
}
