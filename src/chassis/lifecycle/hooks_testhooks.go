//go:build testhooks

package lifecycle

import (
	"context"

	"tandem/src/chassis/fault"
)

// openTestHooks listens on FAULT_PORT, where a test can inject faults. It does nothing
// if the port is 0.
func (a *App) openTestHooks(ctx context.Context) error {
	if a.settings.FaultPort == 0 {
		return nil
	}
	injector := new(fault.Injector)
	a.Router.Inject(injector.Inject)
	return injector.Listen(ctx, a.settings.FaultPort, a.Telemetry.Log)
}
