package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"tandem/src/chassis/settings"
)

// gcPercent is GOGC where the environment names none: the live heap is tiny
// and the memory limit still holds, so fewer collections are the cheapest
// speed there is.
const gcPercent = 400

// Main runs a program until it ends or SIGTERM or SIGINT asks it to, and
// returns its exit code. A second signal ends the process at once.
func Main(run func(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error) int {
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// From the first signal on, the next one has its default effect again.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil && !errors.Is(err, settings.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s\n", err)
		return 1
	}
	return 0
}

// tuneMemory sets the limit of Go's heap to nine tenths of the container's
// memory. GOMEMLIMIT and GOGC win where they are set.
func tuneMemory() {
	// Outside a container there is no limit to take over, which is no error.
	_, _ = memlimit.Set(memlimit.WithRatio(0.9))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
