package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"tandem/src/chassis/web"
)

//go:embed assets
var assets embed.FS

// contentSecurityPolicy allows only what comes from the service itself, and nothing inline.
const contentSecurityPolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Values of Cache-Control.
const (
	immutable   = "public, max-age=31536000, immutable"
	revalidated = "no-cache" // a cache asks each time, by the ETag
)

// asset is a file that is served.
type asset struct {
	mediaType  string
	content    []byte
	compressed []byte // by gzip
	etag       string // without quotes
}

func newAsset(mediaType string, content []byte) (*asset, error) {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &asset{mediaType, content, compressed.Bytes(), digest(content)}, nil
}

// digest returns the beginning of a hash of the content.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// serve serves the asset, compressed if the client takes that.
func (a *asset) serve(w http.ResponseWriter, r *http.Request, cacheControl string) error {
	content, etag := a.content, `"`+a.etag+`"`
	header := w.Header()
	if accepts(r.Header.Values("Accept-Encoding"), "gzip") {
		content, etag = a.compressed, `"`+a.etag+`-gzip"`
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("ETag", etag)
	header.Set("Cache-Control", cacheControl)
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("Referrer-Policy", "no-referrer")
	if strings.Contains(r.Header.Get("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return web.Bytes(w, http.StatusOK, a.mediaType, content)
}

// bundle holds the assets of all pages. Their common version is a hash of all of them: a module
// imports another one by its name alone, and both have the same version.
type bundle struct {
	version string
	assets  map[string]*asset // by file name
}

// newBundle reads and compresses the assets.
func newBundle() (*bundle, error) {
	mediaTypes := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	b := &bundle{assets: map[string]*asset{}}
	var all strings.Builder
	err := fs.WalkDir(assets, "assets", func(name string, entry fs.DirEntry, err error) error {
		mediaType, ok := mediaTypes[path.Ext(name)]
		if err != nil || entry.IsDir() || !ok {
			return err
		}
		content, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		found, err := newAsset(mediaType, content)
		if err != nil {
			return err
		}
		b.assets[path.Base(name)] = found
		all.WriteString(found.etag)
		return nil
	})
	b.version = digest([]byte(all.String()))
	return b, err
}

// path returns the path of the folder of the assets.
func (b *bundle) path() string { return "/console/" + b.version }
