package settings

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// ValueError is a setting whose value cannot be used.
type ValueError struct {
	Variable string // name of the environment variable
	Value    string // as given, secrets masked
	Valid    string // what would be valid
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s=%q is not usable: give %s", e.Variable, e.Value, e.Valid)
}

// URL is an absolute URL whose secrets are masked wherever it is printed. The
// zero URL means that none was given.
type URL struct{ *url.URL }

// String is the URL with its secrets masked; empty for the zero URL.
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

// Raw is the URL with its secrets, for the one who connects to it.
func (u URL) Raw() string {
	if u.URL == nil {
		return ""
	}
	return u.URL.String()
}

// parser reads the text of one kind of setting; its error is never shown.
type parser func(text string, tag *kong.Tag) (any, error)

// mapper lets kong fill a field by a parser.
type mapper struct {
	parse parser
	flag  bool // may stand without a value, as true
}

func mappers() []kong.Option {
	return []kong.Option{
		kong.KindMapper(reflect.Int, mapper{parse: parseInt}),
		kong.KindMapper(reflect.String, mapper{parse: parseString}),
		kong.KindMapper(reflect.Slice, mapper{parse: parseList}),
		kong.KindMapper(reflect.Bool, mapper{parse: parseBool, flag: true}),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), mapper{parse: parseDuration}),
		kong.TypeMapper(reflect.TypeFor[URL](), mapper{parse: parseURL}),
	}
}

// IsBool tells kong that the flag may stand without a value.
func (m mapper) IsBool() bool { return m.flag }

// Decode parses the next token into the field, or says what would be valid.
func (m mapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if m.flag && ctx.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	var text string
	if err := ctx.Scan.PopValueInto("value", &text); err != nil {
		return err
	}
	value, err := m.parse(text, ctx.Value.Tag)
	if err != nil {
		return &ValueError{variable(ctx.Value.Name), mask(text, ctx.Value.Tag), validity(ctx.Value.Tag)}
	}
	target.Set(reflect.ValueOf(value).Convert(target.Type()))
	return nil
}

func parseInt(text string, tag *kong.Tag) (any, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	return n, within(n, tag, strconv.Atoi)
}

func parseDuration(text string, tag *kong.Tag) (any, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, err
	}
	return d, within(d, tag, time.ParseDuration)
}

func parseBool(text string, _ *kong.Tag) (any, error) { return strconv.ParseBool(text) }

func parseString(text string, tag *kong.Tag) (any, error) {
	if allowed := tag.Get("oneof"); allowed != "" && !slices.Contains(strings.Split(allowed, ","), text) {
		return nil, fmt.Errorf("not one of %s", allowed)
	}
	return text, nil
}

// parseList reads words that are separated by commas, each one of the tag "someof".
func parseList(text string, tag *kong.Tag) (any, error) {
	if text == "" {
		return []string(nil), nil
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
	return URL{u}, nil
}

// within checks the bounds that stand in a field's tags.
func within[T int | time.Duration](value T, tag *kong.Tag, parse func(string) (T, error)) error {
	for _, bound := range []struct {
		text string
		sign T
	}{{tag.Get("min"), 1}, {tag.Get("max"), -1}} {
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

// validity says in words what a setting takes, from its tags.
func validity(tag *kong.Tag) string {
	switch {
	case tag.Has("like"):
		return "a URL like " + tag.Get("like")
	case tag.Has("oneof"):
		return "one of " + strings.ReplaceAll(tag.Get("oneof"), ",", ", ")
	case tag.Has("someof"):
		return "some of " + strings.ReplaceAll(tag.Get("someof"), ",", ", ") + ", with commas between"
	case strings.HasSuffix(tag.Get("max"), "m") || strings.HasSuffix(tag.Get("max"), "s"):
		return "a duration from " + tag.Get("min") + " to " + tag.Get("max") + ", such as 1500ms or 5s"
	case tag.Has("max"):
		return "a whole number from " + tag.Get("min") + " to " + tag.Get("max")
	case tag.TypeName == "bool":
		return "true or false"
	default:
		return ""
	}
}

// mask hides what may be secret in a URL that was refused.
func mask(text string, tag *kong.Tag) string {
	if !tag.Has("schemes") {
		return text
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return URL{u}.String()
	}
	if strings.Contains(text, "@") || strings.Contains(text, "password") {
		return "(hidden: it may hold a password)"
	}
	return text
}
