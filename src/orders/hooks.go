//go:build !testhooks

package orders

import (
	"log/slog"

	"tandem/src/chassis/httpclient"
)

// UsersTestHooks is empty in a production program. The settings that only tests
// need exist in programs that are built with the tag testhooks.
type UsersTestHooks struct{}

func (UsersTestHooks) httpClientHooks(*slog.Logger) httpclient.TestHooks { return httpclient.TestHooks{} }
