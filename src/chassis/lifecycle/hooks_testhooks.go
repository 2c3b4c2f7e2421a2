//go:build testhooks

package lifecycle

import (
	"context"

	"tandem/src/chassis/fault"
)

// openTestHooks listens on FAULT_PORT, where a test can inject faults, unless that is 0.
func (h *App) openTestHooks(ctx context.Context) error {
	if h.settings.FaultPort == 0 {
		return nil
	}
	injector := new(fault.Injector)
	h.Router.Inject(injector.Inject)
	return injector.Listen(ctx, h.settings.FaultPort, h.Telemetry.Log)
}
