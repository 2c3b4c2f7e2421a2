package smoketest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/smoketest"
	"tandem/src/testkit/servicetest"
)

var errBroken = errors.New("it is broken")

func broken(context.Context) error { return errBroken }
func works(context.Context) error  { return nil }

// run runs checks with little patience.
func run(t *testing.T, checks func(*smoketest.Test)) (printed string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = smoketest.Run(t.Context(), &out, smoketest.Options{Patience: time.Second}, checks)
	return out.String(), err
}

func TestEachCheckIsALineAndTheErrorNamesThoseThatFailed(t *testing.T) {
	printed, err := run(t, func(r *smoketest.Test) {
		require.True(t, r.Check("first", works))
		require.False(t, r.Check("second", broken))
		require.True(t, r.Check("third", works))
		require.False(t, r.Check("fourth", broken))
	})
	require.EqualError(t, err, "the release does not work: second; fourth")
	require.Regexp(t, `^ok   first \(.*\)\nFAIL second \(.*\): it is broken\nok   third \(.*\)\nFAIL fourth \(.*\): it is broken\n$`, printed)
}

func TestWhatAwaitedChecksWantMayComeLater(t *testing.T) {
	tries := 0
	_, err := run(t, func(r *smoketest.Test) {
		r.Await("late", func(context.Context) error {
			if tries++; tries < 3 {
				return errBroken
			}
			return nil
		})
	})
	require.NoError(t, err)
	require.Equal(t, 3, tries)
}

func TestPatienceEnds(t *testing.T) {
	began := time.Now()
	printed, err := run(t, func(r *smoketest.Test) { r.Await("never", broken) })
	require.Error(t, err)
	require.Contains(t, printed, "it is broken")
	require.WithinRange(t, time.Now(), began.Add(time.Second), began.Add(5*time.Second))
}

func TestTheNewestIsPutAwayFirstAlsoAfterAFailure(t *testing.T) {
	var order []string
	putAway := func(what string, err error) func(context.Context) error {
		return func(context.Context) error { order = append(order, what); return err }
	}
	_, err := run(t, func(r *smoketest.Test) {
		r.Made("user", putAway("user", nil))
		r.Made("order", putAway("order", errBroken))
		r.Check("a check", broken)
	})
	require.EqualError(t, err, "the release does not work: a check; put away order")
	require.Equal(t, []string{"order", "user"}, order)
}

func TestATestThatIsEndedPutsAwayAllTheSame(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	var seen error
	err := smoketest.Run(ctx, new(bytes.Buffer), smoketest.Options{Patience: time.Hour}, func(r *smoketest.Test) {
		r.Made("user", func(ctx context.Context) error { seen = ctx.Err(); return nil })
		end()
		r.Await("a check", func(ctx context.Context) error { return ctx.Err() })
	})
	require.EqualError(t, err, "the release does not work: a check")
	require.NoError(t, seen)
}

// answering is an API that answers every call alike.
func answering(t *testing.T, status int, body string) smoketest.API {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return smoketest.At(servicetest.URL(t, server.URL))
}

func TestAnAnswerThatIsNotWantedIsQuotedWithItsCall(t *testing.T) {
	answer := answering(t, 409, `{"error": "taken"}`).Do(t.Context(), smoketest.Call{Method: "POST", Path: "/users", Body: 1})
	require.NoError(t, answer.Want(409, nil))
	require.Regexp(t, `^POST http://.*/users answered 409 instead of 201: \{"error": "taken"\}$`, answer.Want(201, nil).Error())
	var number int
	require.ErrorContains(t, answer.Want(409, &number), "answered what cannot be read")
}

func TestACallWithoutAnAnswerSaysWhy(t *testing.T) {
	nobody := smoketest.At(servicetest.URL(t, "http://127.0.0.1:1"))
	require.ErrorContains(t, nobody.Do(t.Context(), smoketest.Call{Path: "/users"}).Want(200, nil), "connection refused")
}

func TestOnlyTheServiceMeantIsHealthy(t *testing.T) {
	for body, healthy := range map[string]bool{
		`{"service": "users-service", "status": "healthy"}`:  true,
		`{"service": "users-service", "status": "degraded"}`: false,
		`{"service": "orders-service", "status": "healthy"}`: false,
		`nginx`: false,
	} {
		require.Equal(t, healthy, answering(t, 200, body).Healthy("users-service")(t.Context()) == nil, body)
	}
	require.Error(t, answering(t, 503, `{"service": "users-service", "status": "healthy"}`).Healthy("users-service")(t.Context()))
}

func TestMetricsNameTheirService(t *testing.T) {
	metrics := `build_info{service="users-service"} 1`
	require.NoError(t, answering(t, 200, metrics).HasMetrics("users-service")(t.Context()))
	require.Error(t, answering(t, 200, metrics).HasMetrics("orders-service")(t.Context()))
	require.Error(t, answering(t, 404, metrics).HasMetrics("users-service")(t.Context()))
}
