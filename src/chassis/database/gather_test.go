package database_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
)

// newInsertGroup returns a group that inserts ids into the table t1, after hold.
func newInsertGroup(db *database.DB, hold func(ids []int)) *database.Group[int] {
	return database.NewGroup(db, database.Op{Name: "INSERT", Table: "t1"}, func(int) bool { return true },
		func(ctx context.Context, q database.Querier, ids []int) error {
			hold(ids)
			for _, id := range ids {
				if err := insert(id)(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
}

// writeAll writes the values at the same time and returns their errors.
func writeAll(ctx context.Context, group *database.Group[int], values []int) []error {
	errs := make([]error, len(values))
	var callers sync.WaitGroup
	for i, value := range values {
		callers.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					errs[i] = fmt.Errorf("panic: %v", value)
				}
			}()
			errs[i] = group.Write(ctx, value)
		})
	}
	callers.Wait()
	return errs
}

func TestGroup(t *testing.T) {
	t.Run("writes what gathers together, and fails alone what cannot be written", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			var mu sync.Mutex
			greatest := 0
			group := newInsertGroup(db, func(ids []int) {
				mu.Lock()
				greatest = max(greatest, len(ids))
				mu.Unlock()
				if len(ids) > 0 && ids[0] == 13 && len(ids) == 1 {
					panic("thirteen")
				}
			})
			require.NoError(t, group.Write(t.Context(), 7))
			values := []int{13}
			for id := range 200 {
				if id != 13 {
					values = append(values, id)
				}
			}
			for i, err := range writeAll(t.Context(), group, values) {
				switch values[i] {
				case 7:
					require.True(t, database.IsDuplicate(err), "%v", err)
				case 13:
					if err != nil { // it was alone
						require.ErrorContains(t, err, "thirteen")
					}
				default:
					require.NoError(t, err, "%d", values[i])
				}
			}
			require.Greater(t, greatest, 1)
			require.GreaterOrEqual(t, count(t, db, "t1"), 199)
		})
	})

	t.Run("goes on when a caller gives up", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			group := newInsertGroup(db, func(ids []int) {
				if ids[0] == 1 {
					cancel()
				}
			})
			require.NoError(t, group.Write(ctx, 1), "it has begun")
			require.ErrorIs(t, group.Write(ctx, 2), context.Canceled)
			require.NoError(t, group.Write(t.Context(), 3))
			require.Equal(t, 2, count(t, db, "t1"))
		})
	})

	t.Run("gives no caller more time than an operation has", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		started, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		group := newInsertGroup(db, func([]int) { once.Do(func() { close(started); <-release }) })
		first := make(chan error, 1)
		go func() { first <- group.Write(t.Context(), 1) }()
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err = group.Write(ctx, 2)
		require.Equal(t, failure.Unavailable, failure.CodeOf(err), "%v", err)
		require.False(t, failure.IsUncertain(err), "it has not begun")
		close(release)
		require.NoError(t, <-first)
		require.Equal(t, 1, count(t, db, "t1"))
	})

	t.Run("commits each value alone if it should", func(t *testing.T) {
		onBothDatabases(t, func(t *testing.T, config database.Config) {
			config.CommitAlone = true
			db, err := open(t, config, migrations(1))
			require.NoError(t, err)
			group := newInsertGroup(db, func(ids []int) {
				if len(ids) > 1 {
					panic("together")
				}
			})
			require.NoError(t, errors.Join(writeAll(t.Context(), group, []int{1, 2, 3, 4, 5, 6, 7, 8})...))
		})
	})
}
