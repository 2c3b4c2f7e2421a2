// Package console serves the pages for people: at / what a service does, live, and at /docs its
// contract. Both are embedded in the binary and need nothing from elsewhere.
//
//	console.go   the routes, and what / responds to whom
//	bundle.go    the assets: compressed, named by their content
//	reference.go the contract as HTML
//	openapi.go   reads the contract
//	assets       frame.html is around each page, common.js is what both scripts share
package console

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/gorilla/mux"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/timing"
	"tandem/src/chassis/web"
)

// Console is what the pages of a service need to know.
type Console struct {
	Service  string // name of the service on the wire
	TraceURL string // address of a trace, with {trace_id}; empty: traces have no address
	OpenAPI  []byte // the contract
}

// page is what frame.html shows.
type page struct {
	Title     string
	Assets    string // path of the folder of the assets
	Script    string // name of the page's module; empty: it has none
	TraceURL  string
	Reference *reference
}

// Register registers the pages and their assets. They are routes of the router like any other,
// but, as those of probes, neither limited nor traced: they take no slot from the API.
func Register(rt *web.Router, c Console) error {
	b, err := newBundle()
	if err != nil {
		return err
	}
	name := timing.ShortName(c.Service)
	home, err := b.render(name+".html", page{Title: name, Script: name + ".js", TraceURL: c.TraceURL})
	if err != nil {
		return err
	}
	rt.HandleProbe(http.MethodGet, "/", func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Add("Vary", "Accept, Accept-Encoding")
		if !accepts(r.Header.Values("Accept"), "text/html") { // every browser names it, curl does not
			return web.Bytes(w, http.StatusOK, "text/plain; charset=utf-8", routeList(name, rt.Routes()))
		}
		return home.serve(w, r, revalidated)
	})
	// Rendered by the first request, so that a start does not wait for it.
	docs := sync.OnceValues(func() (*asset, error) { return b.renderReference(name, c.OpenAPI) })
	rt.HandleProbe(http.MethodGet, "/docs", func(w http.ResponseWriter, r *http.Request) error {
		document, err := docs()
		if err != nil {
			return err
		}
		w.Header().Add("Vary", "Accept-Encoding")
		return document.serve(w, r, revalidated)
	})
	rt.HandleProbe(http.MethodGet, "/console/{version}/{file}", b.serve)
	return nil
}

// render renders a page within frame.html.
func (b *bundle) render(file string, p page) (*asset, error) {
	p.Assets = b.path()
	parsed, err := template.ParseFS(assets, "assets/frame.html", "assets/"+file)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.ExecuteTemplate(&out, "frame.html", p); err != nil {
		return nil, fmt.Errorf("render %s: %w", file, err)
	}
	return newAsset("text/html; charset=utf-8", out.Bytes())
}

// serve serves an asset. A name with the version of the bundle always leads to the same bytes. With
// another version, from a page of another release, it leads to those of this one.
func (b *bundle) serve(w http.ResponseWriter, r *http.Request) error {
	names := mux.Vars(r)
	found, ok := b.assets[names["file"]]
	if !ok {
		return failure.New(failure.NotFound, "There is no such asset.")
	}
	w.Header().Add("Vary", "Accept-Encoding")
	if names["version"] == b.version {
		return found.serve(w, r, immutable)
	}
	return found.serve(w, r, revalidated)
}

// accepts reports whether a header such as Accept or Accept-Encoding names a value, and not as one that is
// not wanted. Wildcards do not count.
func accepts(header []string, value string) bool {
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), value) {
			return !isZeroQuality(parameters)
		}
	}
	return false
}

// isZeroQuality reports whether the parameters of a value say that it is not wanted (RFC 9110, section 12.4.2).
func isZeroQuality(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		if quality, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameter)), "q="); ok {
			return strings.Trim(quality, "0.") == ""
		}
	}
	return false
}

// routeList returns what / responds to clients that are no browsers.
func routeList(name string, routes []string) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s. A browser shows a page here, and the contract at /docs; as YAML it is at /openapi.yaml.\n\n", name)
	for _, route := range routes {
		if method, path, _ := strings.Cut(route, " "); path != "/" && !strings.HasPrefix(path, "/console/") {
			fmt.Fprintf(&text, "%-5s %s\n", method, path)
		}
	}
	return text.Bytes()
}
