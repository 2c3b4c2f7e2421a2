//go:build !testhooks

package orders

import (
	"log/slog"

	"tandem/src/chassis/httpclient"
)

// UsersTestHooks holds the settings that only tests of calls to users need. A
// production binary has none of them: see hooks_testhooks.go for the build tag.
type UsersTestHooks struct{}

func (UsersTestHooks) httpClientHooks(*slog.Logger) httpclient.TestHooks {
	return httpclient.TestHooks{}
}
