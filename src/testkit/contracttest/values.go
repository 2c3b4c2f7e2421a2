package contracttest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// variant is a value and what is special about it. Whether it is valid is left
// to the schema, so a variant may be anything worth asking about.
type variant struct {
	name  string
	value any
}

// exampleOf is the schema's own example, or else a small value of its type.
func exampleOf(schema *openapi3.Schema) any {
	switch {
	case schema.Example != nil:
		return schema.Example
	case schema.Default != nil:
		return schema.Default
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("string"):
		return textOf(schema, max(int(schema.MinLength), 3))
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		return stepped(lowest(schema), 1, 0)
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("array"):
		return []any{}
	}
	return object{}
}

// variantsOf are the values at the schema's bounds, and one of each other type.
func variantsOf(schema *openapi3.Schema, example any) []variant {
	all := otherTypes(schema, example)
	switch {
	case len(schema.Enum) > 0:
		all = append(all, members(schema)...)
	case schema.Type.Is("string"):
		all = append(all, texts(schema)...)
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		all = append(all, numbers(schema)...)
	case schema.Type.Is("boolean"):
		all = append(all, variant{"true", true}, variant{"false", false})
	}
	return all
}

// otherTypes hold null and the value as every type that the schema is not of;
// the string is the right value in quotes, which a lax parser takes for it.
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

// members are those of an enumeration, and values that it does not have.
func members(schema *openapi3.Schema) []variant {
	var all []variant
	for _, value := range schema.Enum {
		all = append(all, variant{fmt.Sprintf("%v", value), value})
	}
	return append(all,
		variant{"in capitals", strings.ToUpper(fmt.Sprint(schema.Enum[0]))},
		variant{"not in the enumeration", "other"},
		variant{"empty", ""})
}

// texts are strings around the bounds of length, and such as a pattern or a
// format is there to refuse.
func texts(schema *openapi3.Schema) []variant {
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
		all = append(all, variant{fmt.Sprintf("of %d characters", n), textOf(schema, n)})
	}
	if schema.Pattern != "" {
		all = append(all, variant{"only spaces", "   "}, variant{"with U+0000", "a\x00b"})
	}
	if schema.Format != "" {
		return append(all, variant{"not of the format " + schema.Format, "nonsense"})
	}
	if schema.MaxLength != nil { // a count of bytes or of UTF-16 units differs here
		n := int(*schema.MaxLength)
		all = append(all, variant{fmt.Sprintf("of %d characters of four bytes", n), strings.Repeat("😀", n)})
	}
	return all
}

// textOf is a string of n characters, of the schema's format if that is email.
func textOf(schema *openapi3.Schema, n int) string {
	if schema.Format == "email" {
		return emailOf(n)
	}
	return strings.Repeat("x", n)
}

// emailOf is an address of n characters that stays within the bounds of its
// parts (RFC 5321, section 4.5.3.1), so that nothing but its length can be
// wrong. No address is shorter than three characters.
func emailOf(n int) string {
	const domain = "@example.com"
	const local, label = 64, 50
	if n <= len(domain) {
		return ("a@" + strings.Repeat("b", n))[:n]
	}
	user := min(n-len(domain), local)
	labels := n - len(domain) - user
	if labels%label == 1 { // would begin with a dot
		user, labels = user-1, labels+1
	}
	dotted := strings.Repeat(strings.Repeat("d", label-1)+".", labels/label+1)
	return strings.Repeat("a", user) + "@" + dotted[len(dotted)-labels:] + domain[1:]
}

// numbers lie one step below, at and above each bound; a step is what the
// number has to be a multiple of.
func numbers(schema *openapi3.Schema) []variant {
	step := 1.0
	if schema.MultipleOf != nil {
		step = *schema.MultipleOf
	}
	var all []variant
	for _, bound := range []*float64{schema.Min, schema.Max} {
		for n := int64(-1); bound != nil && n <= 1; n++ {
			number := stepped(*bound, step, n)
			all = append(all, variant{number.String(), number})
		}
	}
	if schema.MultipleOf != nil {
		all = append(all, variant{"between two multiples", stepped(lowest(schema), step/10, 11)})
	}
	if schema.Type.Is("integer") {
		all = append(all,
			variant{"a fraction", stepped(lowest(schema), 0.5, 1)},
			variant{"beyond 64 bits", json.Number("18446744073709551616")})
	}
	return all
}

func lowest(schema *openapi3.Schema) float64 {
	if schema.Min != nil {
		return *schema.Min
	}
	return 0
}

// stepped is from + n × step without the noise of binary fractions.
func stepped(from, step float64, n int64) json.Number {
	way := new(big.Rat).Mul(exact(step), big.NewRat(n, 1))
	digits := new(big.Rat).Add(exact(from), way).FloatString(12)
	return json.Number(strings.TrimSuffix(strings.TrimRight(digits, "0"), "."))
}

// exact is the number that was written, not its binary neighbour.
func exact(f float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
	return r
}
