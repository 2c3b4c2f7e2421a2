package fault

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/failure"
)

// send gives the status of an answer of the switch.
func send(s *Switch, method, target string) int {
	w := httptest.NewRecorder()
	s.handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Code
}

func TestNothingHappensUnlessAFaultIsOn(t *testing.T) {
	s := new(Switch)
	require.NoError(t, s.Strike(t.Context()))
	require.Equal(t, http.StatusNoContent, send(s, "PUT", "/fault?status=503"))
	require.Error(t, s.Strike(t.Context()))
	require.Equal(t, http.StatusNoContent, send(s, "DELETE", "/fault"))
	require.NoError(t, s.Strike(t.Context()))
}

func TestAFaultAnswersOrPanics(t *testing.T) {
	s := new(Switch)
	send(s, "PUT", "/fault?status=503")
	require.ErrorAs(t, s.Strike(t.Context()), new(*failure.Error))
	send(s, "PUT", "/fault?status=500")
	require.EqualError(t, s.Strike(t.Context()), "a fault was switched on")
	send(s, "PUT", "/fault?panic=true")
	require.Panics(t, func() { _ = s.Strike(t.Context()) })
}

func TestAFaultDelaysUntilTheCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Switch)
		send(s, "PUT", "/fault?delay=5s")
		began := time.Now()
		require.NoError(t, s.Strike(t.Context()))
		require.Equal(t, 5*time.Second, time.Since(began))
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Strike(hurried), context.DeadlineExceeded)
		require.Equal(t, 6*time.Second, time.Since(began))
	})
}

func TestAFaultHappensToItsShareOfTheRequests(t *testing.T) {
	s := new(Switch)
	send(s, "PUT", "/fault?status=500&share=0.5")
	failed := 0
	for range 1000 {
		if s.Strike(t.Context()) != nil {
			failed++
		}
	}
	require.InDelta(t, 500, failed, 100)
}

func TestAFaultThatCannotBeMeantIsRefused(t *testing.T) {
	s := new(Switch)
	for _, query := range []string{"delay=long", "status=200", "status=x", "panic=maybe", "share=half", "share=NaN", "share=2", "delay=-1s", "colour=red"} {
		require.Equal(t, http.StatusBadRequest, send(s, "PUT", "/fault?"+query), query)
	}
	require.NoError(t, s.Strike(t.Context()))
}
