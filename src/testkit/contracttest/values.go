package contracttest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// variant is a value to test and a name for it. The schema decides whether the
// value is valid.
type variant struct {
	name  string
	value any
}

// exampleOf returns the schema's example, or a small value of its type.
func exampleOf(schema *openapi3.Schema) any {
	switch {
	case schema.Example != nil:
		return schema.Example
	case schema.Default != nil:
		return schema.Default
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("string"):
		return stringOfLength(schema, max(int(schema.MinLength), 3))
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		return addSteps(minimum(schema), 1, 0)
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("array"):
		return []any{}
	}
	return object{}
}

// valueVariants returns values at the bounds of the schema, and a value of each
// other JSON type.
func valueVariants(schema *openapi3.Schema, example any) []variant {
	all := otherTypes(schema, example)
	switch {
	case len(schema.Enum) > 0:
		all = append(all, enumVariants(schema)...)
	case schema.Type.Is("string"):
		all = append(all, stringVariants(schema)...)
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		all = append(all, numberVariants(schema)...)
	case schema.Type.Is("boolean"):
		all = append(all, variant{"true", true}, variant{"false", false})
	}
	return all
}

// otherTypes returns null and values of the types that the schema does not have.
// The string is the example in quotes, which a lenient parser accepts as the
// example.
func otherTypes(schema *openapi3.Schema, example any) []variant {
	all := []variant{{"null", nil}, {"an object", object{"value": example}}, {"an array", []any{example}}}
	if !schema.Type.Is("string") {
		all = append(all, variant{"a string", fmt.Sprint(example)})
	}
	if !schema.Type.Is("integer") && !schema.Type.Is("number") {
		all = append(all, variant{"a number", json.Number("1")})
	}
	if !schema.Type.Is("boolean") {
		all = append(all, variant{"a boolean", true})
	}
	return all
}

// enumVariants returns the values of an enumeration and values outside it.
func enumVariants(schema *openapi3.Schema) []variant {
	var all []variant
	for _, value := range schema.Enum {
		all = append(all, variant{fmt.Sprintf("%v", value), value})
	}
	return append(all,
		variant{"in capitals", strings.ToUpper(fmt.Sprint(schema.Enum[0]))},
		variant{"not in the enumeration", "other"},
		variant{"empty", ""})
}

// stringVariants returns strings at the bounds of length, and strings that a
// pattern or a format usually rejects.
func stringVariants(schema *openapi3.Schema) []variant {
	lengths := []int{0}
	if n := int(schema.MinLength); n > 0 {
		lengths = []int{n - 1, n, n + 1}
	}
	if schema.MaxLength != nil {
		n := int(*schema.MaxLength)
		lengths = append(lengths, n-1, n, n+1)
	}
	var all []variant
	for _, n := range lengths {
		all = append(all, variant{fmt.Sprintf("of %d characters", n), stringOfLength(schema, n)})
	}
	if schema.Pattern != "" {
		all = append(all, variant{"only spaces", "   "}, variant{"with U+0000", "a\x00b"})
	}
	if schema.Format != "" {
		return append(all, variant{"not of the format " + schema.Format, "nonsense"})
	}
	if schema.MaxLength != nil { // fails if the service counts bytes or UTF-16 code units
		n := int(*schema.MaxLength)
		all = append(all, variant{fmt.Sprintf("of %d characters of four bytes", n), strings.Repeat("😀", n)})
	}
	return all
}

// stringOfLength returns a string of n characters. It is an e-mail address if the
// schema has that format.
func stringOfLength(schema *openapi3.Schema, n int) string {
	if schema.Format == "email" {
		return emailOfLength(n)
	}
	return strings.Repeat("x", n)
}

// emailOfLength returns an e-mail address of n characters, n ≥ 3. Its parts are
// within the limits of RFC 5321, section 4.5.3.1, so only its total length can
// be invalid.
func emailOfLength(n int) string {
	const domain = "@example.com"
	const local, label = 64, 50
	if n <= len(domain) {
		return ("a@" + strings.Repeat("b", n))[:n]
	}
	user := min(n-len(domain), local)
	labels := n - len(domain) - user
	if labels%label == 1 { // otherwise the rest would begin with a dot
		user, labels = user-1, labels+1
	}
	dotted := strings.Repeat(strings.Repeat("d", label-1)+".", labels/label+1)
	return strings.Repeat("a", user) + "@" + dotted[len(dotted)-labels:] + domain[1:]
}

// numberVariants returns numbers one step below, at and one step above each
// bound. A step is the schema's multipleOf.
func numberVariants(schema *openapi3.Schema) []variant {
	step := 1.0
	if schema.MultipleOf != nil {
		step = *schema.MultipleOf
	}
	var all []variant
	for _, bound := range []*float64{schema.Min, schema.Max} {
		for n := int64(-1); bound != nil && n <= 1; n++ {
			number := addSteps(*bound, step, n)
			all = append(all, variant{number.String(), number})
		}
	}
	if schema.MultipleOf != nil {
		all = append(all, variant{"between two multiples", addSteps(minimum(schema), step/10, 11)})
	}
	if schema.Type.Is("integer") {
		all = append(all,
			variant{"a fraction", addSteps(minimum(schema), 0.5, 1)},
			variant{"beyond 64 bits", json.Number("18446744073709551616")})
	}
	return all
}

// minimum returns the minimum of the schema, or 0.
func minimum(schema *openapi3.Schema) float64 {
	if schema.Min != nil {
		return *schema.Min
	}
	return 0
}

// addSteps returns start + n × step, without the rounding errors of float64.
func addSteps(start, step float64, n int64) json.Number {
	distance := new(big.Rat).Mul(toRat(step), big.NewRat(n, 1))
	digits := new(big.Rat).Add(toRat(start), distance).FloatString(12)
	return json.Number(strings.TrimSuffix(strings.TrimRight(digits, "0"), "."))
}

// toRat returns the shortest decimal number that rounds to f, which is the number
// in the document.
func toRat(f float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
	return r
}
