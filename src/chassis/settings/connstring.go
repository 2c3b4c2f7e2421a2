package settings

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// ConnString says how to connect to PostgreSQL, in each form that libpq takes
// (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING): a URL
// or key=value words. It masks its secrets when it is printed. The empty ConnString
// means that none is set.
type ConnString string

const (
	masked = "xxxxx"
	hidden = "(hidden: it may contain a password)"
)

// ParseConnString returns the connection string of a text without the white space
// and the line ends that files and Secrets often have, and false if it is neither a
// URL nor key=value words. An empty text gives the empty ConnString.
func ParseConnString(text string) (ConnString, bool) {
	text = Trim(text)
	if isURL(text) {
		// A line end inside a URL stems from a part that was inserted, such as a password.
		text = strings.NewReplacer("\n", "", "\r", "").Replace(text)
	}
	valid := text == "" || regexp.MustCompile(`^(postgres(ql)?://|[A-Za-z_]+\s*=)`).MatchString(text)
	return ConnString(text), valid && !isQuoted(text)
}

// Raw returns the text with its secrets, to connect with it.
func (c ConnString) Raw() string { return string(c) }

// String returns the text with its secrets masked. If it is not clear which part is
// the password, it hides all of it.
func (c ConnString) String() string {
	text, _, exact := c.mask()
	if !exact {
		return hidden
	}
	return text
}

// Mask returns another text, such as an error's, with the secrets of c masked.
func (c ConnString) Mask(text string) string {
	_, secrets, exact := c.mask()
	if exact {
		for _, secret := range secrets {
			text = strings.ReplaceAll(text, secret, masked)
		}
		return text
	}
	for _, part := range strings.FieldsFunc(string(c), func(r rune) bool { return strings.ContainsRune(" \t\r\n:/@?&=#'\"\\,", r) }) {
		if strings.Contains(text, part) {
			return hidden
		}
	}
	return text
}

// mask returns the text with its secrets masked, and the secrets as they stand there
// and decoded. exact is false if some other part may be one.
func (c ConnString) mask() (text string, secrets []string, exact bool) {
	if isURL(string(c)) {
		return maskURL(string(c))
	}
	return maskWords(string(c))
}

// maskURL is mask for a URL. The user ends at the first "@" before the first "/",
// as for libpq. An "@" behind it stems from a password that is not encoded.
func maskURL(text string) (string, []string, bool) {
	scheme, rest, _ := strings.Cut(text, "://")
	var secrets []string
	var user string
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		name, password, has := strings.Cut(rest[:i], ":")
		if has {
			secrets = appendSecret(secrets, password)
			name += ":" + masked
		}
		user, rest = name+"@", rest[i+1:]
	}
	if strings.Contains(rest, "@") {
		return "", nil, false
	}
	before, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery {
		pairs := strings.Split(query, "&")
		for i, pair := range pairs {
			name, value, _ := strings.Cut(pair, "=")
			if decoded, err := url.QueryUnescape(name); err == nil && strings.Contains(strings.ToLower(decoded), "password") {
				secrets = appendSecret(secrets, value)
				pairs[i] = name + "=" + masked
			}
		}
		before += "?" + strings.Join(pairs, "&")
	}
	return scheme + "://" + user + before, secrets, true
}

// maskWords is mask for key=value words.
func maskWords(text string) (string, []string, bool) {
	const value = `'(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|`
	word := regexp.MustCompile(`(?s)([A-Za-z_]+)(\s*=\s*)(` + value + `)(\s+|$)`)
	var b strings.Builder
	var secrets []string
	end := 0
	for _, at := range word.FindAllStringSubmatchIndex(text, -1) {
		if at[0] != end {
			return "", nil, false
		}
		key, is, val, space := text[at[2]:at[3]], text[at[4]:at[5]], text[at[6]:at[7]], text[at[8]:at[9]]
		if strings.Contains(strings.ToLower(key), "password") {
			secrets = appendSecret(secrets, strings.Trim(val, "'"))
			val = masked
		}
		b.WriteString(key + is + val + space)
		end = at[1]
	}
	return b.String(), secrets, end == len(text)
}

// appendSecret appends a secret as it stands in the text, and decoded; the longest
// comes first, since one may be a part of another.
func appendSecret(secrets []string, secret string) []string {
	for _, form := range []string{secret, regexp.MustCompile(`\\(.)`).ReplaceAllString(secret, "$1")} {
		secrets = append(secrets, form)
		if decoded, err := url.PathUnescape(form); err == nil {
			secrets = append(secrets, decoded)
		}
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return s == "" })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(secrets)
}

func isURL(text string) bool {
	return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`).MatchString(text)
}

// parseConnString is the parser of a ConnString.
func parseConnString(text string, _ *kong.Tag) (any, error) {
	c, ok := ParseConnString(text)
	if !ok {
		return nil, errNotConnString
	}
	return c, nil
}
