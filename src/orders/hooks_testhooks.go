//go:build testhooks

package orders

import (
	"log/slog"

	"tandem/src/chassis/httpclient"
)

// UsersTestHooks are the settings of calls to users that only tests need.
type UsersTestHooks struct {
	UsersDisable []string `someof:"retries,budget,breaker,ejection,latency,lookups,pool" help:"Mechanisms that are disabled in calls to users, so that a test can show what fails without them. Only in builds for tests."`
}

// client returns the hooks of the client for users. It logs a warning if they disable anything.
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
