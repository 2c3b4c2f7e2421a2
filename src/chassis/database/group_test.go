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

// grouped runs works at the same time: the first holds the writer until all the
// others wait, so that they share a commit.
func grouped(t *testing.T, db *database.DB, works ...database.TxFunc) []error {
	t.Helper()
	op := database.Op{Name: "INSERT", Table: "t1"}
	held, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = db.Write(t.Context(), op, func(context.Context, database.Querier) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	errs := make([]error, len(works))
	for i, work := range works {
		all.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					errs[i] = value.(error)
				}
			}()
			errs[i] = db.Exec(t.Context(), op, work)
		})
	}
	time.Sleep(50 * time.Millisecond) // that they wait cannot be seen; fewer of them would only test less
	close(release)
	all.Wait()
	return errs
}

func TestOneFailureInAGroupOfCommitsIsItsOwn(t *testing.T) {
	db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, release(1))
	require.NoError(t, err)
	boom, crash := errors.New("boom"), errors.New("crash")
	half := func(id int, end func() error) database.TxFunc {
		return func(ctx context.Context, q database.Querier) error {
			return errors.Join(insert(id)(ctx, q), end())
		}
	}
	errs := grouped(t, db,
		insert(1),
		half(2, func() error { return boom }),
		insert(3),
		insert(3), // one of them is a duplicate
		half(4, func() error { panic(crash) }),
		insert(5),
	)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], boom)
	require.True(t, database.IsDuplicate(errors.Join(errs[2], errs[3])))
	require.False(t, errs[2] != nil && errs[3] != nil)
	require.ErrorContains(t, errs[4], "crash, in a transaction")
	require.NoError(t, errs[5])
	require.Equal(t, 3, count(t, db, "t1"))
}

func TestACallerWhoGoesAwayTakesNobodyWithIt(t *testing.T) {
	db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, release(1))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	leave := func(_ context.Context, q database.Querier) error {
		cancel()
		return insert(2)(ctx, q) // with the context that has just ended
	}
	errs := grouped(t, db, insert(1), leave, insert(3))
	require.NoError(t, errs[0])
	require.NoError(t, errs[2])
	require.GreaterOrEqual(t, count(t, db, "t1"), 2)
}

func TestAFullDiskHitsOnlyTheOneThatFillsIt(t *testing.T) {
	db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, release(1))
	require.NoError(t, err)
	limit(t, db)
	errs := grouped(t, db, insert(1), fill, insert(2))
	require.NoError(t, errs[0])
	require.Equal(t, failure.Unavailable, failure.CodeOf(errs[1]), "%v", errs[1])
	require.NoError(t, errs[2])
	require.Equal(t, 2, count(t, db, "t1"))
}

func TestAWriteThatIsGivenUpWhileItWaitsIsNotDone(t *testing.T) {
	db, err := open(t, database.Config{Name: "test", DataDir: t.TempDir()}, release(1))
	require.NoError(t, err)
	op := database.Op{Name: "INSERT", Table: "t1"}
	held, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- db.Write(t.Context(), op, func(context.Context, database.Querier) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() { second <- db.Exec(ctx, op, insert(1)) }()
	time.Sleep(20 * time.Millisecond) // that it waits cannot be seen; if it does not yet, it is refused just so
	cancel()
	close(release)
	require.NoError(t, <-first)
	require.ErrorIs(t, <-second, context.Canceled)
	require.Zero(t, count(t, db, "t1"))
}

func TestWritesAfterTheEndAreRefusedAndNoneHangs(t *testing.T) {
	signals, _ := telemetrytest.New(t)
	db, err := database.Open(t.Context(), database.Config{Name: "test", DataDir: t.TempDir(), Migrations: release(1)}, signals)
	require.NoError(t, err)
	var writers sync.WaitGroup
	for id := range 40 {
		writers.Go(func() { _ = db.Exec(t.Context(), database.Op{}, insert(id)) })
	}
	require.NoError(t, db.Close())
	writers.Wait()
	require.Equal(t, failure.Unavailable, failure.CodeOf(db.Exec(t.Context(), database.Op{}, insert(99))))
}
