package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"tandem/src/chassis/settings"
)

// gcPercent is GOGC if the environment does not set it. The live heap is small
// and the memory limit applies anyway, so the garbage collector may run less
// often, which saves processor time.
const gcPercent = 400

// sameSignal is the time within which a second signal counts as the first: GNU timeout
// sends one to the process and one to its group.
const sameSignal = 100 * time.Millisecond

// Main runs a program and returns its exit code: 0 on success and after help, 1
// after an error and 2 after a settings.UsageError, which it prints to stderr. The
// first SIGTERM or SIGINT cancels the context of run. A second one ends the process
// at once, unless it comes within sameSignal of the first.
func Main(run func(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error) int {
	lifetime, end := context.WithCancel(context.Background()) // goes on after a signal
	defer end()
	configureRuntime(lifetime)
	trimEnvironment()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// After the first signal, restore the default action for the second one.
	context.AfterFunc(ctx, func() {
		time.Sleep(sameSignal)
		stop()
	})
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	if err == nil || errors.Is(err, settings.ErrHelp) {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s\n", err)
	if _, ok := errors.AsType[*settings.UsageError](err); ok {
		return 2
	}
	return 1
}

// configureRuntime sets the GC percentage and, until ctx ends, the memory limit of the
// Go runtime. The variables GOMEMLIMIT and GOGC take precedence.
func configureRuntime(ctx context.Context) {
	followMemoryLimit(ctx, memlimit.FromCgroup, memoryLimitInterval)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// trimEnvironment removes the white space around the variables that libraries read
// themselves: those of libpq and of OpenTelemetry. A value from a Secret often ends in
// a newline.
func trimEnvironment() {
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if trimmed := settings.Trim(value); trimmed != value && (strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "OTEL_")) {
			_ = os.Setenv(name, trimmed) // fails for no name that the environment has
		}
	}
}
