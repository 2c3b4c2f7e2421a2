package web

import (
	"fmt"
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
// text that needs no escaping or one whole variable such as {id}, each with a
// name of its own. Variables with a regular expression ({id:[0-9]+}) are refused,
// because checkOrder cannot compare them.
func checkTemplate(path string) error {
	segment := regexp.MustCompile(`^([A-Za-z0-9._~-]+|\{[a-z_]+\})$`)
	seen := map[string]bool{}
	for i, text := range strings.Split(path, "/") {
		switch {
		case i == 0 && text == "" && path != "", path == "/":
		case !segment.MatchString(text):
			return fmt.Errorf("route %s: each segment must be plain text or a variable such as {id}", path)
		case seen[text] && text[0] == '{':
			return fmt.Errorf("route %s: the variable %s appears twice", path, text)
		}
		seen[text] = true
	}
	return nil
}

// checkOrder returns an error if a registered route takes requests that are meant
// for the new one. mux uses the first route that matches, so a concrete path must
// be registered before a template that matches it too, whatever their methods.
// Two routes with equivalent paths must not share a method.
func checkOrder(routes *mux.Router, methods []string, path string) error {
	return routes.Walk(func(earlier *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		earlierPath, err := earlier.GetPathTemplate()
		if err != nil {
			return err
		}
		earlierMethods, err := earlier.GetMethods()
		if err != nil {
			return err
		}
		overlap, equivalent, narrower := compareTemplates(earlierPath, path)
		sameMethod := slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(earlierMethods, m) })
		inOrder := narrower || equivalent && !sameMethod
		if overlap && !inOrder {
			return fmt.Errorf("route %s %s is shadowed by the earlier route %s %s",
				methods[0], path, earlierMethods[0], earlierPath)
		}
		return nil
	})
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
		aVariable, bVariable := strings.HasPrefix(a[i], "{"), strings.HasPrefix(b[i], "{")
		if !aVariable && !bVariable && a[i] != b[i] {
			return false, false, false
		}
		firstNarrower = firstNarrower || !aVariable && bVariable
		secondNarrower = secondNarrower || aVariable && !bVariable
	}
	return true, !firstNarrower && !secondNarrower, firstNarrower && !secondNarrower
}

// normalizePath returns the request with each path segment decoded that needs no
// escaping, so that /%6frders matches the route /orders (RFC 3986, section
// 6.2.2.2). Escapes that change the meaning, such as %2F, stay.
func normalizePath(r *http.Request) *http.Request {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err == nil && url.PathEscape(plain) == plain {
			segments[i] = plain
		}
	}
	target := *r.URL
	target.RawPath = strings.Join(segments, "/")
	normalized := r.WithContext(r.Context())
	normalized.URL = &target
	return normalized
}
