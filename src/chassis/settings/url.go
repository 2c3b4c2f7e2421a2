package settings

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// maxHostName is the maximum length of a DNS name in bytes, without the dot at its
// end (RFC 1035, section 2.3.4).
const maxHostName = 253

// checkPeerURL returns an error unless the URL of a service, with the scheme http or
// https, is one whose parts are all used: a host, and optionally a port and a path. A
// client would drop a user, a password, a query and a fragment.
func checkPeerURL(u *url.URL) error {
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("a part is not used")
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) || strings.HasSuffix(u.Host, ":") {
		return errors.New("no port")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && !isHostName(u.Hostname()) {
		return errors.New("no host")
	}
	return nil
}

// isHostName reports whether text is a DNS name. Docker's names may have a "_".
func isHostName(text string) bool {
	const label = `[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?`
	return len(strings.TrimSuffix(text, ".")) <= maxHostName &&
		regexp.MustCompile(`^`+label+`(\.`+label+`)*\.?$`).MatchString(text)
}

// maskPeerURL returns the text of a URL of a service without what may be secret.
func maskPeerURL(u url.URL) string {
	query := u.Query()
	for name := range query {
		query.Set(name, "xxxxx")
	}
	u.RawQuery = query.Encode()
	if u.Fragment != "" {
		u.Fragment, u.RawFragment = "xxxxx", ""
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	return u.String()
}

// checkURLTemplate returns an error unless the text is a URL with the scheme http or https
// once something stands in the place of the placeholder, which it contains.
func checkURLTemplate(text, placeholder string) error {
	u, err := url.Parse(strings.ReplaceAll(text, placeholder, "0"))
	if err != nil {
		return err
	}
	if !strings.Contains(text, placeholder) || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("no template of a URL")
	}
	return nil
}

// parseOrigins parses web origins that are separated by commas: scheme, host and port, as
// browsers send them in the header Origin.
func parseOrigins(text string) ([]string, error) {
	origins := strings.Split(text, ",")
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil {
			return nil, err
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != origin || origin != strings.ToLower(origin) {
			return nil, errors.New("no origin")
		}
		if u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" {
			return nil, errors.New("browsers leave out the default port")
		}
		if err := checkPeerURL(u); err != nil {
			return nil, err
		}
	}
	return origins, nil
}
