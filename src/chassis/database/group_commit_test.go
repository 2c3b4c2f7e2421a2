package database_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/testkit/telemetrytest"
)

// execTogether runs the functions in one group and returns their errors. It first
// starts a transaction that blocks the writer until all of them are queued.
func execTogether(t *testing.T, db *database.DB, fns ...database.OpFunc) []error {
	t.Helper()
	op := database.Op{Name: "INSERT", Table: "t1"}
	blocked, unblock := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Write(t.Context(), op, func(context.Context, database.Querier) error {
			close(blocked)
			<-unblock
			return nil
		})
	})
	<-blocked
	errs := make([]error, len(fns))
	for i, fn := range fns {
		wg.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					errs[i] = value.(error)
				}
			}()
			errs[i] = db.Exec(t.Context(), op, fn)
		})
	}
	time.Sleep(50 * time.Millisecond) // lets them queue; a test cannot observe the queue
	close(unblock)
	wg.Wait()
	return errs
}

func TestGroupCommit(t *testing.T) {
	t.Run("rolls back only the transaction that fails", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		boom, crash := errors.New("boom"), errors.New("crash")
		insertThen := func(id int, then func() error) database.OpFunc {
			return func(ctx context.Context, q database.Querier) error {
				return errors.Join(insert(id)(ctx, q), then())
			}
		}
		errs := execTogether(t, db,
			insert(1),
			insertThen(2, func() error { return boom }),
			insert(3),
			insert(3), // one of the two rows is a duplicate
			insertThen(4, func() error { panic(crash) }),
			insert(5),
		)
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], boom)
		require.True(t, database.IsDuplicate(errors.Join(errs[2], errs[3])))
		require.False(t, errs[2] != nil && errs[3] != nil)
		require.ErrorContains(t, errs[4], "crash, in a transaction")
		require.NoError(t, errs[5])
		require.Equal(t, 3, count(t, db, "t1"))
	})

	t.Run("commits the other transactions when one caller cancels", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancelInside := func(_ context.Context, q database.Querier) error {
			cancel()
			return insert(2)(ctx, q) // with the cancelled context, not that of the parameter
		}
		errs := execTogether(t, db, insert(1), cancelInside, insert(3))
		require.NoError(t, errs[0])
		require.NoError(t, errs[2])
		require.GreaterOrEqual(t, count(t, db, "t1"), 2)
	})

	t.Run("fails only the transaction that fills the disk", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		limitSize(t, db)
		errs := execTogether(t, db, insert(1), fill, insert(2))
		require.NoError(t, errs[0])
		require.Equal(t, failure.Unavailable, failure.CodeOf(errs[1]), "%v", errs[1])
		require.NoError(t, errs[2])
		require.Equal(t, 2, count(t, db, "t1"))
	})

	t.Run("skips a queued transaction that was cancelled", func(t *testing.T) {
		db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, migrations(1))
		require.NoError(t, err)
		op := database.Op{Name: "INSERT", Table: "t1"}
		blocked, unblock := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- db.Write(t.Context(), op, func(context.Context, database.Querier) error {
				close(blocked)
				<-unblock
				return nil
			})
		}()
		<-blocked
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() { second <- db.Exec(ctx, op, insert(1)) }()
		time.Sleep(20 * time.Millisecond) // lets it queue; a test cannot observe the queue
		cancel()
		close(unblock)
		require.NoError(t, <-first)
		require.ErrorIs(t, <-second, context.Canceled)
		require.Zero(t, count(t, db, "t1"))
	})

	t.Run("refuses transactions after Close", func(t *testing.T) {
		signals, _ := telemetrytest.New(t)
		db, err := database.Open(t.Context(), database.Config{Name: "test", DataDir: t.TempDir(), Migrations: migrations(1)}, signals)
		require.NoError(t, err)
		var writers sync.WaitGroup
		for id := range 40 {
			writers.Go(func() { _ = db.Exec(t.Context(), database.Op{}, insert(id)) })
		}
		require.NoError(t, db.Close())
		writers.Wait()
		require.Equal(t, failure.Unavailable, failure.CodeOf(db.Exec(t.Context(), database.Op{}, insert(99))))
	})
}
