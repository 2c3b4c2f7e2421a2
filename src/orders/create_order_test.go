package orders_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/servicetest"
)

func TestACreatedOrderIsAnsweredWithItsUser(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		created := p.Post(t, "/orders", laptop).Require(t, 201)
		require.Equal(t, "/orders/1", created.Header.Get("Location"))
		require.Equal(t, `{"email":"juan@email.com","name":"Juan Perez"}`, created.At(t, "user_info"))
		require.Equal(t, "899.99", created.At(t, "order", "price"))
		require.Equal(t, `"pending"`, created.At(t, "order", "status"))
		require.Equal(t, `"success"`, created.At(t, "service_communication"))
		require.Equal(t, created.At(t, "order"), p.Get(t, "/orders/1").At(t))
	})
}

func TestEveryBadMemberIsNamedAndNothingIsStored(t *testing.T) {
	tests := map[string]struct {
		body string
		bad  []string
	}{
		"missing":         {`{}`, []string{"user_id", "product", "quantity", "price"}},
		"strings":         {`{"user_id": "1", "product": 1, "quantity": "2", "price": "3"}`, []string{"user_id", "product", "quantity", "price"}},
		"negative":        {`{"user_id": -1, "product": "x", "quantity": -1, "price": -0.01}`, []string{"user_id", "quantity", "price"}},
		"fractions":       {`{"user_id": 1.5, "product": "x", "quantity": 1.5, "price": 0.001}`, []string{"user_id", "quantity", "price"}},
		"beyond range":    {`{"user_id": 1e400, "product": "x", "quantity": 1e18, "price": 1000000000.01}`, []string{"user_id", "quantity", "price"}},
		"product of both": {`{"user_id": 1, "product": "x", "quantity": 1000000, "price": 1000.01}`, []string{"quantity", "price"}},
		"spaces":          {`{"user_id": 1, "product": "  ", "quantity": 1, "price": 1}`, []string{"product"}},
		"null":            {`{"user_id": null, "product": null, "quantity": null, "price": null}`, []string{"user_id", "product", "quantity", "price"}},
	}
	onBoth(t, func(t *testing.T, p pair) {
		for name, tt := range tests {
			require.ElementsMatch(t, tt.bad, p.Post(t, "/orders", tt.body).Require(t, 400).Fields(), name)
		}
		require.Equal(t, "0", p.Get(t, "/orders").At(t, "count"))
	})
}

func TestGreatestValuesAreStoredExactly(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		p.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1000000, "price": 1000}`).Require(t, 201)
		p.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1, "price": 1e9}`).Require(t, 201)
		p.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 3, "price": 0.1}`).Require(t, 201)
		p.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1.0, "price": 0}`).Require(t, 201)
		require.Equal(t, "2000000000.30", p.Get(t, "/orders/stats").At(t, "total_revenue"))
	})
}

func TestAnUnknownOrInactiveUserCannotOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		unknown := p.Post(t, "/orders", strings.Replace(laptop, "1", "77", 1)).Require(t, 400)
		require.Equal(t, "77", unknown.At(t, "user_id"))
		require.Equal(t, `"failed"`, unknown.At(t, "service_communication"))
		servicetest.API{URL: p.users.URL}.Patch(t, "/users/1", `{"active": false}`).Require(t, 200)
		inactive := p.Post(t, "/orders", laptop).Require(t, 400)
		require.Equal(t, "1", inactive.At(t, "user_id"))
		require.Equal(t, `"success"`, inactive.At(t, "service_communication"))
		require.Equal(t, "0", p.Get(t, "/orders").At(t, "count"))
	})
}

func TestWithoutUsersAnOrderIsRefusedQuicklyAndNotStored(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		require.NoError(t, p.users.Stop())
		began := time.Now()
		refused := p.Post(t, "/orders", laptop, "Idempotency-Key", "later").Require(t, 503)
		require.Less(t, time.Since(began), 3*time.Second)
		require.NotEmpty(t, refused.Header.Get("Retry-After"))
		require.Equal(t, `"failed"`, refused.At(t, "service_communication"))
		require.Equal(t, "0", p.Get(t, "/orders").At(t, "count"))
	})
}

func TestTheSameKeyAndBodyGetTheSameAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		first := p.Post(t, "/orders", laptop, "Idempotency-Key", "abc").Require(t, 201)
		require.Empty(t, first.Header.Get("Idempotency-Replayed"))
		require.NoError(t, p.users.Stop()) // a replay does not ask users
		for _, key := range []string{"abc", `"abc"`} {
			again := p.Post(t, "/orders", laptop, "Idempotency-Key", key).Require(t, 201)
			require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
			require.Equal(t, first.Header.Get("Location"), again.Header.Get("Location"))
			require.Equal(t, first.Text, again.Text)
		}
		p.Post(t, "/orders", strings.Replace(laptop, "Laptop", "Mouse", 1), "Idempotency-Key", "abc").Require(t, 422)
		require.Equal(t, "1", p.Get(t, "/orders").At(t, "count"))
	})
}

func TestOnlyA201UsesUpAKey(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		p.Post(t, "/orders", `{}`, "Idempotency-Key", "k").Require(t, 400)
		p.Post(t, "/orders", strings.Replace(laptop, "1", "77", 1), "Idempotency-Key", "k").Require(t, 400)
		require.Empty(t, p.Post(t, "/orders", laptop, "Idempotency-Key", "k").Require(t, 201).Header.Get("Idempotency-Replayed"))
	})
}

func TestAKeyIsOneTo255PrintableCharacters(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		for _, bad := range []string{`""`, strings.Repeat("k", 256), "caf\u00e9", "a\tb"} {
			require.Equal(t, []string{"Idempotency-Key"}, p.Post(t, "/orders", laptop, "Idempotency-Key", bad).Require(t, 400).Fields(), bad)
		}
		p.Post(t, "/orders", laptop, "Idempotency-Key", strings.Repeat("k", 255)).Require(t, 201)
		p.Post(t, "/orders", laptop, "Idempotency-Key", `"`+strings.Repeat("j", 255)+`"`).Require(t, 201)
		p.Post(t, "/orders", laptop, "Idempotency-Key", "with space ~").Require(t, 201)
		require.Equal(t, "3", p.Get(t, "/orders").At(t, "count"))
	})
}

func TestOfManyRequestsWithOneKeyAtOnceOneCreates(t *testing.T) {
	onBoth(t, func(t *testing.T, p pair) {
		const clients = 12
		answers := make([]servicetest.Response, clients)
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() { answers[i] = p.Post(t, "/orders", laptop, "Idempotency-Key", "once") })
		}
		all.Wait()
		created := 0
		for _, answer := range answers {
			require.Equal(t, answers[0].Text, answer.Require(t, 201).Text)
			if answer.Header.Get("Idempotency-Replayed") == "" {
				created++
			}
		}
		require.Equal(t, 1, created)
		require.Equal(t, "1", p.Get(t, "/orders").At(t, "count"))
		require.Equal(t, "1", p.Get(t, "/orders/stats").At(t, "total_orders"))
	})
}

func TestARequestWhoseUserFailsGetsTheAnswerOfAnotherWithItsKey(t *testing.T) {
	const slow = "0af7651916cd43dd8448eb211c80319c" // trace id of the request that fails
	asked, placed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	api := onStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Traceparent"), slow) {
			once.Do(func() { close(asked) })
			<-placed
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answerUser(w)
	}))
	failing := make(chan servicetest.Response, 1)
	go func() {
		failing <- api.Post(t, "/orders", laptop, "Idempotency-Key", "k", "Traceparent", "00-"+slow+"-b7ad6b7169203331-01")
	}()
	<-asked
	first := api.Post(t, "/orders", laptop, "Idempotency-Key", "k").Require(t, 201)
	close(placed)
	second := (<-failing).Require(t, 201)
	require.Equal(t, "true", second.Header.Get("Idempotency-Replayed"))
	require.Equal(t, first.Text, second.Text)
}

func answerUser(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, `{"id": 1, "name": "A", "email": "a@example.com", "active": true, "created_at": "2025-01-01T00:00:00Z", "status": "healthy"}`)
}

func TestAnOrderIsNeverSentTwiceToFindItsUser(t *testing.T) {
	var posts atomic.Int64
	api := onStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			posts.Add(1)
		}
		answerUser(w)
	}))
	api.Post(t, "/orders", laptop).Require(t, 201)
	require.Zero(t, posts.Load())
}
