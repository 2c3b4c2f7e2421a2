package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/httpclient"
	"tandem/src/testkit/servicetest"
	"tandem/src/users/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeUsers is a users service whose users change all the time: the name of a user
// says how many changes there were when the service read it. Users whose ID is a
// multiple of seven do not exist.
type fakeUsers struct {
	faults  int           // percentage of the requests that fail
	delay   time.Duration // the longest of a response, before and after reading
	changes atomic.Int64
	ids     atomic.Int64 // that it was asked for
}

func (f *fakeUsers) user(id int64) client.User {
	return client.User{
		ID: id, Name: fmt.Sprintf("user %d, change %d", id, f.changes.Load()), Email: "a@example.com", CreatedAt: time.Unix(id, 0).UTC(),
	}
}

func (f *fakeUsers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.wait()
	if rand.IntN(100) < f.faults {
		if rand.IntN(2) == 0 {
			panic(http.ErrAbortHandler) // closes the connection
		}
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer f.wait()
	text, single := strings.CutPrefix(r.URL.Path, "/users/")
	if !single {
		text = r.URL.Query().Get("ids")
	}
	users := []client.User{}
	for part := range strings.SplitSeq(text, ",") {
		id, _ := strconv.ParseInt(part, 10, 64)
		f.ids.Add(1)
		if id%7 != 0 {
			users = append(users, f.user(id))
		}
	}
	body, _ := json.Marshal(client.Page{Users: users})
	switch {
	case single && len(users) == 0:
		w.WriteHeader(http.StatusNotFound)
		body = fmt.Appendf(nil, `{"user_id": %s}`, text)
	case single:
		body, _ = json.Marshal(users[0])
	}
	_, _ = w.Write(body)
}

func (f *fakeUsers) wait() {
	if f.delay > 0 {
		time.Sleep(rand.N(f.delay))
	}
}

// caller looks up random users, one after the other, and leaves some of them early.
type caller struct {
	users    *fakeUsers
	client   *client.Client
	ids      int           // the users that there are
	early    int           // percentage of look-ups that it leaves early
	patience time.Duration // the longest, of these
}

func (c caller) run(ctx context.Context, lookups int) error {
	for range lookups {
		if err := c.lookUp(ctx, 1+rand.Int64N(int64(c.ids))); err != nil {
			return err
		}
		if rand.IntN(4) == 0 {
			c.users.changes.Add(1)
		}
	}
	return nil
}

// lookUp returns an error unless the client returns the user with that ID, as it was
// after the beginning of lookUp, or a failure that can be.
func (c caller) lookUp(ctx context.Context, id int64) error {
	leaves := rand.IntN(100) < c.early
	if leaves {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rand.N(c.patience))
		defer cancel()
	}
	before := c.users.changes.Load()
	user, err := c.client.User(ctx, id)
	var gotID, change int64
	switch code := failure.CodeOf(err); {
	case code == failure.NotFound && id%7 == 0:
		return nil
	case code == failure.Unavailable && (leaves || c.users.faults > 0):
		return nil
	case err != nil || id%7 == 0:
		return fmt.Errorf("the user %d is %v, %w", id, user, err)
	}
	if _, err := fmt.Sscanf(user.Name, "user %d, change %d", &gotID, &change); err != nil {
		return err
	}
	if user.ID != id || gotID != id || change < before || change > c.users.changes.Load() {
		return fmt.Errorf("the user %d, asked for after change %d, is %v", id, before, user)
	}
	return nil
}

// TestEveryCallerGetsItsUser checks sharing under concurrency. rapid chooses how many
// callers there are, how they overlap and what fails.
func TestEveryCallerGetsItsUser(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		users := &fakeUsers{
			faults: rapid.SampledFrom([]int{0, 0, 10, 60}).Draw(rt, "faults in percent"),
			delay:  rapid.SampledFrom([]time.Duration{0, 100 * time.Microsecond, 2 * time.Millisecond}).Draw(rt, "delay"),
		}
		server := httptest.NewServer(users)
		defer server.Close()
		registry := prometheus.NewRegistry()
		c, err := client.New(httpclient.Config{
			BaseURL: servicetest.URL(t, server.URL).URL, Timeout: time.Second, AttemptTimeout: 300 * time.Millisecond, Registry: registry,
		})
		require.NoError(rt, err)
		one := caller{
			users: users, client: c, ids: rapid.SampledFrom([]int{1, 3, 30, 300}).Draw(rt, "users"),
			early:    rapid.SampledFrom([]int{0, 0, 20, 90}).Draw(rt, "left early in percent"),
			patience: 2*users.delay + time.Millisecond,
		}
		callers, lookups := rapid.IntRange(1, 130).Draw(rt, "callers"), 4
		errs := make(chan error, callers)
		var all sync.WaitGroup
		for range callers {
			all.Go(func() { errs <- one.run(t.Context(), lookups) })
		}
		all.Wait()
		c.Close()
		close(errs)
		for err := range errs {
			require.NoError(rt, err)
		}
		if one.early == 0 {
			require.Equal(rt, float64(callers*lookups), sumOf(t, registry), "look-ups of all calls")
		}
		if users.faults == 0 {
			require.LessOrEqual(rt, users.ids.Load(), int64(callers*lookups), "nothing is asked for twice")
		}
	})
}

// sumOf returns the look-ups that the metric of look-ups per call has counted.
func sumOf(t *testing.T, registry prometheus.Gatherer) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "users_client_lookups_per_call" {
			return family.Metric[0].Histogram.GetSampleSum()
		}
	}
	return 0
}
