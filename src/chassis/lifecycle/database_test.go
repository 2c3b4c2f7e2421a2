package lifecycle

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/health"
	"tandem/src/testkit/telemetrytest"
)

func TestLogChanges(t *testing.T) {
	const bad, good = "the database is not healthy", "the database is healthy again"

	t.Run("logs each change once, and why", func(t *testing.T) {
		signals, log := telemetrytest.New(t)
		var result error
		check := (&App{Telemetry: signals}).logChanges(func(context.Context) error { return result })
		for _, result = range []error{nil, errors.New("no answer"), errors.New("no answer"), nil, nil} {
			require.Equal(t, result, check(t.Context()))
		}
		require.Len(t, log.Lines(t, bad), 1)
		require.Equal(t, "no answer", log.Lines(t, bad)[0]["error"])
		require.Len(t, log.Lines(t, good), 1)
		result = database.ErrReadsOnly
		require.ErrorIs(t, check(t.Context()), health.ErrDegraded)
		require.Len(t, log.Lines(t, bad), 2)
	})

	t.Run("says nothing about a check that the end of the service cuts", func(t *testing.T) {
		signals, log := telemetrytest.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		check := (&App{Telemetry: signals}).logChanges(func(ctx context.Context) error {
			cancel()
			return ctx.Err()
		})
		require.ErrorIs(t, check(ctx), context.Canceled)
		require.Empty(t, log.Lines(t, bad))
	})
}
