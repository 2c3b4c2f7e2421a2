//go:build testhooks

package orders

import (
	"log/slog"

	"tandem/src/chassis/httpclient"
)

// UsersTestHooks holds the settings that only tests of calls to users need.
type UsersTestHooks struct {
	UsersDisable []string `someof:"retries,budget,breaker,ejection,latency,lookups,pool,sharing,hold-bound" help:"Mechanisms that are disabled in calls to users, so that a test can show what fails without them. Only in builds for tests."`
}

// httpClientHooks converts the settings to the hooks of the HTTP client that calls
// users. It logs a warning if they disable a mechanism.
func (h UsersTestHooks) httpClientHooks(log *slog.Logger) httpclient.TestHooks {
	var hooks httpclient.TestHooks
	for _, name := range h.UsersDisable {
		hooks.Disable = append(hooks.Disable, httpclient.Mechanism(name))
	}
	if len(hooks.Disable) > 0 {
		log.Warn("mechanisms are disabled in calls to users", slog.Any("disabled", hooks.Disable))
	}
	return hooks
}
