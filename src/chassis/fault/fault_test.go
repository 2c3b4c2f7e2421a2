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

// send makes a request of the handler and returns the response's status.
func send(i *Injector, method, target string) int {
	w := httptest.NewRecorder()
	i.handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Code
}

func TestInjector(t *testing.T) {
	t.Run("injects nothing unless a fault is active", func(t *testing.T) {
		i := new(Injector)
		require.NoError(t, i.Inject(t.Context()))
		require.Equal(t, http.StatusNoContent, send(i, "PUT", "/fault?status=503"))
		require.Error(t, i.Inject(t.Context()))
		require.Equal(t, http.StatusNoContent, send(i, "DELETE", "/fault"))
		require.NoError(t, i.Inject(t.Context()))
	})
	t.Run("returns an error or panics", func(t *testing.T) {
		i := new(Injector)
		send(i, "PUT", "/fault?status=503")
		require.ErrorAs(t, i.Inject(t.Context()), new(*failure.Error))
		send(i, "PUT", "/fault?status=500")
		require.EqualError(t, i.Inject(t.Context()), "injected fault")
		send(i, "PUT", "/fault?panic=true")
		require.Panics(t, func() { _ = i.Inject(t.Context()) })
	})
	t.Run("delays a request until its context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := new(Injector)
			send(i, "PUT", "/fault?delay=5s")
			start := time.Now()
			require.NoError(t, i.Inject(t.Context()))
			require.Equal(t, 5*time.Second, time.Since(start))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, i.Inject(ctx), context.DeadlineExceeded)
			require.Equal(t, 6*time.Second, time.Since(start))
		})
	})
	t.Run("affects its share of the requests", func(t *testing.T) {
		i := new(Injector)
		send(i, "PUT", "/fault?status=500&share=0.5")
		failed := 0
		for range 1000 {
			if i.Inject(t.Context()) != nil {
				failed++
			}
		}
		require.InDelta(t, 500, failed, 100)
	})
	t.Run("refuses a fault that is not valid", func(t *testing.T) {
		i := new(Injector)
		for _, query := range []string{
			"delay=long", "status=200", "status=x", "panic=maybe", "share=half", "share=NaN", "share=2", "delay=-1s", "colour=red",
		} {
			require.Equal(t, http.StatusBadRequest, send(i, "PUT", "/fault?"+query), query)
		}
		require.NoError(t, i.Inject(t.Context()))
	})
}
