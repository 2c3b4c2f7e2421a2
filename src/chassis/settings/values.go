package settings

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
)

// ValueError is the error of a setting with an invalid value.
type ValueError struct {
	Variable string // name of the environment variable, even if the flag was given
	Value    string // the invalid value, with secrets masked
	Valid    string // description of the valid values
	Missing  bool   // there is a flag without a value
	Quoted   bool   // there are quotes around the value
}

func (e *ValueError) Error() string {
	if e.Missing {
		return fmt.Sprintf("--%s needs a value: give %s", flagName(e.Variable), cmp.Or(e.Valid, "one"))
	}
	if e.Quoted {
		return fmt.Sprintf("%s=%s is not usable: remove the quotes around the value", e.Variable, e.Value)
	}
	return fmt.Sprintf("%s=%q is not usable: give %s", e.Variable, e.Value, e.Valid)
}

// errNotConnString is the error of a ConnString in no form that PostgreSQL knows.
var errNotConnString = errors.New("neither a URL nor key=value words")

// Trim returns a value without the white space and the byte order mark around it,
// which files and Secrets often have.
func Trim(value string) string {
	return strings.TrimFunc(value, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
}

// isQuoted reports whether a value has quotes around it, which a shell would have removed.
func isQuoted(value string) bool {
	last := len(value) - 1
	return last > 0 && strings.ContainsRune(`"'`, rune(value[0])) && value[0] == value[last]
}

// URL is an absolute URL that masks its secrets when it is printed. The zero URL
// means that none is set.
type URL struct{ *url.URL }

// String returns the URL with its password and the query parameters whose name
// contains "password" masked. It returns the empty string for the zero URL.
func (u URL) String() string {
	if u.URL == nil {
		return ""
	}
	masked := *u.URL
	query := masked.Query()
	for name := range query {
		if strings.Contains(name, "password") {
			query.Set(name, "xxxxx")
		}
	}
	masked.RawQuery = query.Encode()
	return masked.Redacted()
}

// Raw returns the URL with its secrets, to connect to it. It returns the empty
// string for the zero URL.
func (u URL) Raw() string {
	if u.URL == nil {
		return ""
	}
	return u.URL.String()
}

// parser parses a setting of one type. The text of its error is not used: Decode
// returns a ValueError instead.
type parser func(text string, tag *kong.Tag) (any, error)

// mapper is a kong.Mapper that fills a field with the result of a parser.
type mapper struct {
	parse  parser
	isFlag bool // a flag without a value means true
}

// mappers returns the mappers of all types that a setting may have.
func mappers() []kong.Option {
	return []kong.Option{
		kong.KindMapper(reflect.Int, mapper{parse: parseInt}),
		kong.KindMapper(reflect.String, mapper{parse: parseString}),
		kong.KindMapper(reflect.Slice, mapper{parse: parseList}),
		kong.KindMapper(reflect.Bool, mapper{parse: parseBool, isFlag: true}),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), mapper{parse: parseDuration}),
		kong.TypeMapper(reflect.TypeFor[URL](), mapper{parse: parseURL}),
		kong.TypeMapper(reflect.TypeFor[ConnString](), mapper{parse: parseConnString}),
	}
}

// IsBool tells kong whether the flag may be given without a value.
func (m mapper) IsBool() bool { return m.isFlag }

// Decode parses the next token and sets the field, or returns a *ValueError.
func (m mapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if m.isFlag && ctx.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	invalid := ValueError{Variable: envName(ctx.Value.Name), Valid: validValues(ctx.Value.Tag)}
	token, err := ctx.Scan.PopValue("value")
	if err != nil {
		invalid.Missing = true
		return &invalid
	}
	text := Trim(token.String())
	value, err := m.parse(text, ctx.Value.Tag)
	invalid.Quoted = isQuoted(text)
	if err != nil || invalid.Quoted {
		invalid.Value = maskSecrets(text, ctx.Value.Tag)
		return &invalid
	}
	target.Set(reflect.ValueOf(value).Convert(target.Type()))
	return nil
}

func parseInt(text string, tag *kong.Tag) (any, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	return n, checkBounds(n, tag, strconv.Atoi)
}

func parseDuration(text string, tag *kong.Tag) (any, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, err
	}
	return d, checkBounds(d, tag, time.ParseDuration)
}

func parseBool(text string, _ *kong.Tag) (any, error) {
	switch text = strings.ToLower(text); text {
	case "yes", "on":
		return true, nil
	case "no", "off":
		return false, nil
	default:
		return strconv.ParseBool(text)
	}
}

// parseString returns the text, or the choice of the tag "oneof" that it is in
// any case. With the tag "placeholderof" it is a URL that contains that text.
func parseString(text string, tag *kong.Tag) (any, error) {
	if placeholder := tag.Get("placeholderof"); placeholder != "" && text != "" {
		return text, checkURLTemplate(text, placeholder)
	}
	allowed := tag.Get("oneof")
	if allowed == "" {
		return text, nil
	}
	for _, choice := range strings.Split(allowed, ",") {
		if strings.EqualFold(choice, text) {
			return choice, nil
		}
	}
	return nil, fmt.Errorf("not one of %s", allowed)
}

// parseList parses words that are separated by commas. Each must be in the tag
// "someof", or an origin if there is the tag "origins".
func parseList(text string, tag *kong.Tag) (any, error) {
	if text == "" {
		return []string(nil), nil
	}
	if tag.Has("origins") {
		return parseOrigins(text)
	}
	words, allowed := strings.Split(text, ","), strings.Split(tag.Get("someof"), ",")
	for _, word := range words {
		if !slices.Contains(allowed, word) {
			return nil, fmt.Errorf("not one of %v", allowed)
		}
	}
	return words, nil
}

func parseURL(text string, tag *kong.Tag) (any, error) {
	if text == "" && !tag.HasDefault {
		return URL{}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Host == "" || !slices.Contains(strings.Split(tag.Get("schemes"), ","), u.Scheme) {
		return nil, fmt.Errorf("not one of the schemes")
	}
	if strings.HasPrefix(u.Scheme, "http") {
		return URL{u}, checkPeerURL(u)
	}
	return URL{u}, nil
}

// checkBounds returns an error unless the value is between the tags "min" and
// "max". A value without such a tag has no bound on that side.
func checkBounds[T int | time.Duration](value T, tag *kong.Tag, parse func(string) (T, error)) error {
	for _, bound := range []struct {
		text string
		sign T // -1 makes the maximum a minimum
	}{{tag.Get("min"), 1}, {tag.Get("max"), -1}} {
		if bound.text == "" {
			continue
		}
		limit, err := parse(bound.text)
		if err != nil {
			return err
		}
		if bound.sign*value < bound.sign*limit {
			return fmt.Errorf("beyond %s", bound.text)
		}
	}
	return nil
}

// validValues describes the valid values of a setting, from its tags. It returns
// the empty string if every value is valid.
func validValues(tag *kong.Tag) string {
	switch {
	case tag.Has("origins"):
		return "origins like " + tag.Get("like") + ", separated by commas"
	case tag.Has("like"):
		return "a URL like " + tag.Get("like")
	case tag.Has("oneof"):
		return "one of " + strings.ReplaceAll(tag.Get("oneof"), ",", ", ")
	case tag.Has("someof"):
		return "some of " + strings.ReplaceAll(tag.Get("someof"), ",", ", ") + ", separated by commas"
	case tag.TypeName == "Duration":
		return "a duration" + formatBounds(tag) + ", such as 1500ms or 5s"
	case tag.TypeName == "int":
		return "a whole number" + formatBounds(tag)
	case tag.TypeName == "bool":
		return "true or false"
	default:
		return ""
	}
}

// formatBounds describes the tags "min" and "max".
func formatBounds(tag *kong.Tag) string {
	switch {
	case tag.Has("min") && tag.Has("max"):
		return " from " + tag.Get("min") + " to " + tag.Get("max")
	case tag.Has("min"):
		return " of at least " + tag.Get("min")
	case tag.Has("max"):
		return " of at most " + tag.Get("max")
	default:
		return ""
	}
}

// maskSecrets returns the text of an invalid value without what may be a
// password. Only settings of type URL and ConnString have passwords.
func maskSecrets(text string, tag *kong.Tag) string {
	if isQuoted(text) {
		return text[:1] + maskSecrets(text[1:len(text)-1], tag) + text[:1]
	}
	if tag.Has("schemes") {
		if u, err := url.Parse(text); err == nil && strings.HasPrefix(u.Scheme, "http") {
			return maskPeerURL(*u)
		}
	} else if !tag.Has("like") {
		return text
	}
	if isURL(text) {
		if u, err := url.Parse(text); err == nil && u.Host != "" || !strings.ContainsAny(text, "@?") {
			return ConnString(text).String()
		}
	}
	if strings.ContainsAny(text, "@?") || strings.Contains(text, "password") {
		return hidden
	}
	return text
}
