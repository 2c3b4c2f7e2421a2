package console_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/web"
	"tandem/src/console"
	"tandem/src/testkit/telemetrytest"
)

// budget is what a page may cost in all, in bytes, compressed.
const budget = 40_000

// newConsole returns a router with the pages of a service.
func newConsole(t *testing.T, service string) *web.Router {
	t.Helper()
	contract, err := os.ReadFile("../" + service + "/openapi.yaml")
	require.NoError(t, err)
	signals, _ := telemetrytest.New(t)
	router := web.NewRouter(signals, 10)
	require.NoError(t, console.Register(router, console.Console{
		Service: service + "-service", TraceURL: "https://jaeger/trace/{trace_id}?a=\"b\"", OpenAPI: contract,
	}))
	router.Handle("GET", "/"+service, func(w http.ResponseWriter, _ *http.Request) error { return web.JSON(w, 200, nil) })
	router.Open()
	return router
}

// get sends a GET request. Headers are pairs of name and value.
func get(router *web.Router, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	return w
}

// browserAccept is what Chromium sends for a page.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// assetPaths returns the paths of the assets in a page, and of those that its module imports.
func assetPaths(t *testing.T, router *web.Router, page string) (paths []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`(?:href|src)="(/console/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		paths = append(paths, match[1])
		text := get(router, match[1]).Body.String()
		for _, imported := range regexp.MustCompile(`from '\./([^']+)'`).FindAllStringSubmatch(text, -1) {
			paths = append(paths, match[1][:strings.LastIndex(match[1], "/")+1]+imported[1])
		}
	}
	require.NotEmpty(t, paths)
	return paths
}

func TestConsole(t *testing.T) {
	for _, service := range []string{"orders", "users"} {
		t.Run(service, func(t *testing.T) {
			router := newConsole(t, service)

			t.Run("is a page for browsers, and a list of routes for others", func(t *testing.T) {
				for _, accept := range []string{browserAccept, "text/html", "TEXT/HTML;q=0.1, */*"} {
					response := get(router, "/", "Accept", accept)
					require.Equal(t, "text/html; charset=utf-8", response.Header().Get("Content-Type"), accept)
					require.Equal(t, "Accept, Accept-Encoding", response.Header().Get("Vary"))
				}
				for _, accept := range []string{"", "*/*", "application/json", "text/html;q=0, */*", "text/html; q=0.000"} {
					response := get(router, "/", "Accept", accept)
					require.Equal(t, "text/plain; charset=utf-8", response.Header().Get("Content-Type"), accept)
					require.Equal(t, "Accept, Accept-Encoding", response.Header().Get("Vary"))
					require.Contains(t, response.Body.String(), "GET   /"+service+"\n")
					require.Contains(t, response.Body.String(), "/openapi.yaml")
				}
			})

			t.Run("allows nothing inline and nothing from elsewhere", func(t *testing.T) {
				for _, path := range []string{"/", "/docs"} {
					response := get(router, path, "Accept", browserAccept)
					require.Equal(t, "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
						response.Header().Get("Content-Security-Policy"))
					require.Equal(t, "nosniff", response.Header().Get("X-Content-Type-Options"))
					require.Equal(t, "no-referrer", response.Header().Get("Referrer-Policy"))
					require.NotRegexp(t, `(?i)<style| style=| on[a-z]+=|<script>|javascript:|(src|href)="(https?:)?//`, response.Body.String())
				}
			})

			t.Run("names its assets by their content, for ever", func(t *testing.T) {
				page := get(router, "/", "Accept", browserAccept)
				require.Equal(t, "no-cache", page.Header().Get("Cache-Control"))
				for _, path := range assetPaths(t, router, page.Body.String()) {
					response := get(router, path)
					require.Equal(t, http.StatusOK, response.Code, path)
					require.Equal(t, "public, max-age=31536000, immutable", response.Header().Get("Cache-Control"), path)
					require.Equal(t, http.StatusNotModified, get(router, path, "If-None-Match", response.Header().Get("ETag")).Code)
					stale := regexp.MustCompile(`/console/[0-9a-f]+/`).ReplaceAllString(path, "/console/other/")
					require.Equal(t, "no-cache", get(router, stale).Header().Get("Cache-Control"), "a page of another release")
				}
				require.Equal(t, http.StatusNotFound, get(router, "/console/other/nope.js").Code)
				require.Equal(t, http.StatusNotFound, get(router, "/console/other/frame.html").Code)
			})

			t.Run("costs less than its budget", func(t *testing.T) {
				page := get(router, "/", "Accept", browserAccept, "Accept-Encoding", "gzip, br")
				total := page.Body.Len()
				for _, path := range assetPaths(t, router, get(router, "/", "Accept", browserAccept).Body.String()) {
					response := get(router, path, "Accept-Encoding", "gzip")
					require.Equal(t, "gzip", response.Header().Get("Content-Encoding"), path)
					reader, err := gzip.NewReader(response.Body)
					require.NoError(t, err)
					total += response.Body.Len()
					content, err := io.ReadAll(reader)
					require.NoError(t, err)
					require.Equal(t, get(router, path).Body.String(), string(content), path)
				}
				t.Logf("%d bytes", total)
				require.Less(t, total, budget)
			})

			t.Run("is compressed only for a client that takes gzip", func(t *testing.T) {
				for encodings, want := range map[string]string{
					"": "", "br": "", "gzip;q=0": "", "identity, gzip; q=0.0": "", "x-gzip": "", "gzip": "gzip", "br, GZIP;q=0.5": "gzip",
				} {
					response := get(router, "/docs", "Accept-Encoding", encodings)
					require.Equal(t, want, response.Header().Get("Content-Encoding"), encodings)
				}
			})

			t.Run("escapes the address of a trace", func(t *testing.T) {
				require.Contains(t, get(router, "/", "Accept", browserAccept).Body.String(),
					`<meta name="trace-url" content="https://jaeger/trace/{trace_id}?a=&#34;b&#34;">`)
			})

			t.Run("shows each operation of the contract with its answers and whole examples", func(t *testing.T) {
				page := get(router, "/docs").Body.String()
				contract, err := os.ReadFile("../" + service + "/openapi.yaml")
				require.NoError(t, err)
				operations := regexp.MustCompile(`operationId: (\w+)`).FindAllStringSubmatch(string(contract), -1)
				require.NotEmpty(t, operations)
				for _, operation := range operations {
					require.Contains(t, page, `<section class="card operation" id="`+operation[1]+`"`)
				}
				answers := regexp.MustCompile(`(?m)^        '[0-9]{3}':`).FindAllString(string(contract), -1)
				require.Equal(t, len(answers), strings.Count(page, "<details>"))
				require.NotContains(t, page, "$ref")
				for _, example := range regexp.MustCompile(`(?s)<pre tabindex="0">(\{.*?)</pre>`).FindAllStringSubmatch(page, -1) {
					var object map[string]any
					text := strings.ReplaceAll(example[1], "&#34;", `"`)
					require.NoError(t, json.Unmarshal([]byte(text), &object), text)
					require.NotEmpty(t, object)
				}
			})
		})
	}

	t.Run("depends on the origin, too, where origins are allowed", func(t *testing.T) {
		router := newConsole(t, "orders")
		router.AllowOrigins([]string{"https://shop.example.com"})
		for path, want := range map[string][]string{"/": {"Origin", "Accept, Accept-Encoding"}, "/docs": {"Origin", "Accept-Encoding"}} {
			require.Equal(t, want, get(router, path, "Accept", browserAccept).Header().Values("Vary"), path)
		}
	})

	t.Run("an unreadable contract is an internal error of /docs alone", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		router := web.NewRouter(signals, 10)
		require.NoError(t, console.Register(router, console.Console{Service: "orders-service", OpenAPI: []byte("a: [")}))
		require.Equal(t, http.StatusInternalServerError, get(router, "/docs").Code)
		require.Equal(t, http.StatusOK, get(router, "/").Code)
	})

	t.Run("has assets that only this project wrote", func(t *testing.T) {
		entries, err := os.ReadDir("assets")
		require.NoError(t, err)
		for _, entry := range entries {
			require.Regexp(t, `^(common|orders|users)\.js$|^console\.css$|^icon\.svg$|^(frame|orders|users|reference)\.html$`, entry.Name())
			content, err := os.ReadFile("assets/" + entry.Name())
			require.NoError(t, err)
			unsafe := `innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|randomUUID\(|navigator\.`
			require.NotRegexp(t, unsafe, string(content), entry.Name())
		}
	})
}
