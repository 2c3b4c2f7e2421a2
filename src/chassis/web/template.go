package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

// methodsOf returns the methods that a route for this method answers: HEAD comes
// with GET.
func methodsOf(method string) []string {
	if method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{method}
}

// checkTemplate returns an error unless each segment of the path is either plain
// text that needs no escaping or one variable such as {id}. Two variables must not
// have the same name. Variables with a regular expression ({id:[0-9]+}) are
// refused, because checkOrder cannot compare them.
func checkTemplate(path string) error {
	if path == "/" {
		return nil
	}
	plainOrVariable := regexp.MustCompile(`^([A-Za-z0-9._~-]+|\{[a-z_]+\})$`)
	beforeSlash, rest, _ := strings.Cut(path, "/")
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		if beforeSlash != "" || !plainOrVariable.MatchString(segment) {
			return fmt.Errorf("route %s: each segment must be plain text or a variable such as {id}", path)
		}
		if isVariable(segment) && slices.Contains(segments[:i], segment) {
			return fmt.Errorf("route %s: the variable %s appears twice", path, segment)
		}
	}
	return nil
}

func isVariable(segment string) bool { return strings.HasPrefix(segment, "{") }

// checkOrder returns an error if a registered route takes requests that are meant
// for a new one with these methods and this path. mux uses the first route that
// matches, so a concrete path must be registered before a template that also
// matches it, whatever their methods. Routes with equivalent paths must not share a
// method.
func (rt *Router) checkOrder(methods []string, path string) (err error) {
	rt.eachRoute(func(_ *mux.Route, earlierPath string, earlierMethods []string) {
		overlap, equivalent, narrower := compareTemplates(earlierPath, path)
		sameMethod := slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(earlierMethods, m) })
		inOrder := narrower || equivalent && !sameMethod
		if err == nil && overlap && !inOrder {
			err = fmt.Errorf("route %s %s is shadowed by the earlier route %s %s",
				methods[0], path, earlierMethods[0], earlierPath)
		}
	})
	return err
}

// narrowerPaths returns the path templates of the registered routes that are
// narrower than path, each with those of the methods that it does not have.
func (rt *Router) narrowerPaths(path string, methods []string) map[string][]string {
	missing := map[string][]string{}
	rt.eachRoute(func(_ *mux.Route, earlierPath string, earlierMethods []string) {
		if _, _, narrower := compareTemplates(earlierPath, path); !narrower {
			return
		}
		if _, known := missing[earlierPath]; !known {
			missing[earlierPath] = slices.Clone(methods)
		}
		missing[earlierPath] = slices.DeleteFunc(missing[earlierPath], func(m string) bool { return slices.Contains(earlierMethods, m) })
	})
	maps.DeleteFunc(missing, func(_ string, methods []string) bool { return len(methods) == 0 })
	return missing
}

// matchesTemplate reports whether an escaped path matches the template, as mux
// does: a variable stands for at least one character.
func matchesTemplate(template, path string) bool {
	for more := true; more; {
		var want, got string
		var moreSegments bool
		want, template, more = strings.Cut(template, "/")
		got, path, moreSegments = strings.Cut(path, "/")
		if more != moreSegments || want != got && (!isVariable(want) || got == "") {
			return false
		}
	}
	return true
}

// compareTemplates compares two path templates segment by segment. They overlap
// if some path matches both. They are equivalent if they match the same paths. The
// first is narrower if it matches only a part of the paths that the second matches.
func compareTemplates(first, second string) (overlap, equivalent, narrower bool) {
	a, b := strings.Split(first, "/"), strings.Split(second, "/")
	if len(a) != len(b) {
		return false, false, false
	}
	var firstNarrower, secondNarrower bool // in at least one segment
	for i := range a {
		aVariable, bVariable := isVariable(a[i]), isVariable(b[i])
		if !aVariable && !bVariable && a[i] != b[i] {
			return false, false, false
		}
		firstNarrower = firstNarrower || !aVariable && bVariable
		secondNarrower = secondNarrower || aVariable && !bVariable
	}
	return true, !firstNarrower && !secondNarrower, firstNarrower && !secondNarrower
}

// normalizePath returns the request with unnecessary escapes in its path decoded,
// so that /%6frders matches the route /orders (RFC 3986, section 6.2.2.2). A
// segment with a necessary escape, such as %2F, stays as it is.
func normalizePath(r *http.Request) *http.Request {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err == nil && url.PathEscape(plain) == plain {
			segments[i] = plain
		}
	}
	return withPath(r, r.URL.Path, strings.Join(segments, "/"))
}

// withPath returns a copy of the request with another path.
func withPath(r *http.Request, path, rawPath string) *http.Request {
	target := *r.URL
	target.Path, target.RawPath = path, rawPath
	changed := r.WithContext(r.Context())
	changed.URL = &target
	return changed
}
