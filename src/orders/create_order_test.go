package orders_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
)

func TestCreateOrder(t *testing.T) {
	testServices(t, "returns the order with its user", func(t *testing.T, s services) {
		created := s.Post(t, "/orders", laptopJSON()).Require(t, 201)
		require.Equal(t, "/orders/1", created.Header.Get("Location"))
		require.Equal(t, `{"email":"juan@email.com","name":"Juan Perez"}`, created.At(t, "user_info"))
		require.Equal(t, "899.99", created.At(t, "order", "price"))
		require.Equal(t, `"pending"`, created.At(t, "order", "status"))
		require.Equal(t, `"success"`, created.At(t, "service_communication"))
		require.Equal(t, created.At(t, "order"), s.Get(t, "/orders/1").At(t))
	})

	testServices(t, "names all invalid members and stores nothing", func(t *testing.T, s services) {
		tests := map[string]struct {
			body string
			want []string
		}{
			"missing":          {`{}`, []string{"user_id", "product", "quantity", "price"}},
			"strings":          {`{"user_id": "1", "product": 1, "quantity": "2", "price": "3"}`, []string{"user_id", "product", "quantity", "price"}},
			"negative":         {`{"user_id": -1, "product": "x", "quantity": -1, "price": -0.01}`, []string{"user_id", "quantity", "price"}},
			"fractions":        {`{"user_id": 1.5, "product": "x", "quantity": 1.5, "price": 0.001}`, []string{"user_id", "quantity", "price"}},
			"out of range":     {`{"user_id": 1e400, "product": "x", "quantity": 1e18, "price": 1000000000.01}`, []string{"user_id", "quantity", "price"}},
			"quantity × price": {`{"user_id": 1, "product": "x", "quantity": 1000000, "price": 1000.01}`, []string{"quantity", "price"}},
			"spaces":           {`{"user_id": 1, "product": "  ", "quantity": 1, "price": 1}`, []string{"product"}},
			"null":             {`{"user_id": null, "product": null, "quantity": null, "price": null}`, []string{"user_id", "product", "quantity", "price"}},
		}
		for name, test := range tests {
			require.ElementsMatch(t, test.want, s.Post(t, "/orders", test.body).Require(t, 400).Fields(), name)
		}
		require.Equal(t, "0", s.Get(t, "/orders").At(t, "count"))
	})

	testServices(t, "names the key together with the invalid members", func(t *testing.T, s services) {
		tests := map[string]struct {
			key, body string
			want      []string
		}{
			"both":         {`""`, `{"user_id": 0, "product": "x", "quantity": "1", "price": 1}`, []string{"Idempotency-Key", "user_id", "quantity"}},
			"key alone":    {strings.Repeat("k", 256), laptopJSON(), []string{"Idempotency-Key"}},
			"body alone":   {"k", `{}`, []string{"user_id", "product", "quantity", "price"}},
			"nothing fits": {"\t", `{}`, []string{"Idempotency-Key", "user_id", "product", "quantity", "price"}},
		}
		for name, test := range tests {
			require.ElementsMatch(t, test.want, s.Post(t, "/orders", test.body, "Idempotency-Key", test.key).Require(t, 400).Fields(), name)
		}
		require.Equal(t, "0", s.Get(t, "/orders").At(t, "count"))
	})

	testServices(t, "takes every user_id that an int64 has and names the range of others", func(t *testing.T, s services) {
		for _, id := range []string{"1000000000000000000", "9223372036854775807", "1e18"} {
			unknown := s.Post(t, "/orders", `{"user_id": `+id+`, "product": "x", "quantity": 1, "price": 1}`).Require(t, 400)
			require.Contains(t, unknown.At(t, "error"), "The user "+strings.Replace(id, "1e18", "1000000000000000000", 1)+" does not exist")
			require.Equal(t, `"failed"`, unknown.At(t, "service_communication"), id)
		}
		for _, id := range []string{"9223372036854775808", "1e400", "-1e400", "-9223372036854775809", "0"} {
			beyond := s.Post(t, "/orders", `{"user_id": `+id+`, "product": "x", "quantity": 1, "price": 1}`).Require(t, 400)
			require.Equal(t, `"user_id must be a whole number from 1 to 9223372036854775807."`, beyond.At(t, "error"), id)
		}
		beyond := s.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1e18, "price": 1e400}`).Require(t, 400)
		require.Equal(t, `"quantity must be a whole number from 1 to 1000000; price must be a number from 0 to 1000000000."`,
			beyond.At(t, "error"))
		s.Get(t, "/orders?user_id=9223372036854775807").Require(t, 200)
		s.Get(t, "/orders?user_id=9223372036854775808").Require(t, 400)
	})

	testServices(t, "stores the maximum values exactly", func(t *testing.T, s services) {
		s.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1000000, "price": 1000}`).Require(t, 201)
		s.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1, "price": 1e9}`).Require(t, 201)
		s.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 3, "price": 0.1}`).Require(t, 201)
		s.Post(t, "/orders", `{"user_id": 1, "product": "x", "quantity": 1.0, "price": 0}`).Require(t, 201)
		require.Equal(t, "2000000000.30", s.Get(t, "/orders/stats").At(t, "total_revenue"))
	})

	testServices(t, "rejects an unknown or inactive user", func(t *testing.T, s services) {
		unknown := s.Post(t, "/orders", orderJSON(77, "Laptop", 1, 899.99)).Require(t, 400)
		require.Equal(t, "77", unknown.At(t, "user_id"))
		require.Equal(t, `"failed"`, unknown.At(t, "service_communication"))
		servicetest.API{URL: s.users.URL}.Patch(t, "/users/1", `{"active": false}`).Require(t, 200)
		inactive := s.Post(t, "/orders", laptopJSON()).Require(t, 400)
		require.Equal(t, "1", inactive.At(t, "user_id"))
		require.Equal(t, `"success"`, inactive.At(t, "service_communication"))
		require.Equal(t, "0", s.Get(t, "/orders").At(t, "count"))
	})

	testServices(t, "fails fast and stores nothing while the users service is unavailable", func(t *testing.T, s services) {
		require.NoError(t, s.users.Stop())
		start := time.Now()
		rejected := s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, 503)
		require.Less(t, time.Since(start), 3*time.Second)
		require.NotEmpty(t, rejected.Header.Get("Retry-After"))
		require.Equal(t, `"failed"`, rejected.At(t, "service_communication"))
		require.Equal(t, "0", s.Get(t, "/orders").At(t, "count"))
	})

	testServices(t, "replays the response to a request with the same key", func(t *testing.T, s services) {
		first := s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "abc").Require(t, 201)
		require.Empty(t, first.Header.Get("Idempotency-Replayed"))
		require.NoError(t, s.users.Stop()) // a replay does not call users
		require.True(t, strings.HasSuffix(first.Text, "}\n"), "%q", first.Text)
		for _, key := range []string{"abc", `"abc"`} {
			replay := s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", key).Require(t, 201)
			require.Equal(t, "true", replay.Header.Get("Idempotency-Replayed"))
			require.Equal(t, first.Header.Get("Location"), replay.Header.Get("Location"))
			require.Equal(t, first.Text, replay.Text)
		}
		s.Post(t, "/orders", orderJSON(1, "Mouse", 1, 899.99), "Idempotency-Key", "abc").Require(t, 422)
		require.Equal(t, "1", s.Get(t, "/orders").At(t, "count"))
	})

	testServices(t, "stores only a 201 response under the key", func(t *testing.T, s services) {
		s.Post(t, "/orders", `{}`, "Idempotency-Key", "k").Require(t, 400)
		s.Post(t, "/orders", orderJSON(77, "Laptop", 1, 899.99), "Idempotency-Key", "k").Require(t, 400)
		require.Empty(t, s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, 201).Header.Get("Idempotency-Replayed"))
	})

	testServices(t, "accepts a key of 1 to 255 printable characters", func(t *testing.T, s services) {
		for _, key := range []string{`""`, strings.Repeat("k", 256), "caf\u00e9", "a\tb"} {
			require.Equal(t, []string{"Idempotency-Key"}, s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", key).Require(t, 400).Fields(), key)
		}
		s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", strings.Repeat("k", 255)).Require(t, 201)
		s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", `"`+strings.Repeat("j", 255)+`"`).Require(t, 201)
		s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "with space ~").Require(t, 201)
		require.Equal(t, "3", s.Get(t, "/orders").At(t, "count"))
	})

	testServices(t, "creates one order for concurrent requests with one key", func(t *testing.T, s services) {
		const clients = 12
		responses := make([]servicetest.Response, clients)
		var requests sync.WaitGroup
		for i := range clients {
			requests.Go(func() { responses[i] = s.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "once") })
		}
		requests.Wait()
		created := 0
		for _, response := range responses {
			require.Equal(t, responses[0].Text, response.Require(t, 201).Text)
			if response.Header.Get("Idempotency-Replayed") == "" {
				created++
			}
		}
		require.Equal(t, 1, created)
		require.Equal(t, "1", s.Get(t, "/orders").At(t, "count"))
		require.Equal(t, "1", s.Get(t, "/orders/stats").At(t, "total_orders"))
	})

	t.Run("returns the response to a concurrent request with the same key if its own call to the users service fails", func(t *testing.T) {
		const traceID = "0af7651916cd43dd8448eb211c80319c" // of the request whose call to users fails
		called, created := make(chan struct{}), make(chan struct{})
		var once sync.Once
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Header.Get("Traceparent"), traceID) {
				once.Do(func() { close(called) })
				<-created
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			writeUser(w, r)
		}))
		replayed := make(chan servicetest.Response, 1)
		go func() {
			replayed <- api.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k", "Traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
		}()
		<-called
		first := api.Post(t, "/orders", laptopJSON(), "Idempotency-Key", "k").Require(t, 201)
		close(created)
		second := (<-replayed).Require(t, 201)
		require.Equal(t, "true", second.Header.Get("Idempotency-Replayed"))
		require.Equal(t, first.Text, second.Text)
	})

	t.Run("refuses a user who is deactivated while another request reads them", func(t *testing.T) {
		var active atomic.Bool
		active.Store(true)
		var reads atomic.Int64
		read, answer := make(chan struct{}), make(chan struct{})
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			body := strings.Replace(userJSON(1), "true", strconv.FormatBool(active.Load()), 1)
			if reads.Add(1) == 1 {
				close(read)
				<-answer
			}
			_, _ = io.WriteString(w, body)
		}))
		responses := make(chan servicetest.Response, 2)
		create := func() { responses <- api.Post(t, "/orders", laptopJSON()) }
		go create()
		<-read
		active.Store(false)
		go create()
		rejected := (<-responses).Require(t, 400) // a look-up does not wait for a slow call
		require.Equal(t, "1", rejected.At(t, "user_id"))
		close(answer)
		(<-responses).Require(t, 201)
		require.EqualValues(t, 2, reads.Load())
	})

	t.Run("sends only GET requests to the users service", func(t *testing.T) {
		var notGET atomic.Int64
		api := startWithUsersStub(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				notGET.Add(1)
			}
			writeUser(w, r)
		}))
		api.Post(t, "/orders", laptopJSON()).Require(t, 201)
		require.Zero(t, notGET.Load())
	})

	testStore(t, "lets a key expire after 24 hours", func(t *testing.T, store *orders.Store, db *database.DB) {
		order := orders.NewOrder{UserID: 1, Product: "x", Quantity: 1}
		oldKey := orders.IdempotencyKey{Value: "old", RequestHash: []byte("a")}
		recentKey := orders.IdempotencyKey{Value: "recent", RequestHash: []byte("a")}
		for _, key := range []orders.IdempotencyKey{oldKey, recentKey} {
			_, err := store.CreateOnce(t.Context(), key, order, encodeID)
			require.NoError(t, err)
		}
		setAge := func(key string, age time.Duration) {
			exec(t, db, "UPDATE idempotency_keys SET created_at = $1 WHERE key = $2", time.Now().UTC().Add(-age), key)
		}
		setAge("old", 24*time.Hour+time.Minute)
		setAge("recent", 24*time.Hour-time.Minute)
		expired, err := store.FindResponse(t.Context(), oldKey)
		require.NoError(t, err)
		require.Nil(t, expired)
		created, err := store.CreateOnce(t.Context(), orders.IdempotencyKey{Value: "old", RequestHash: []byte("b")}, order, encodeID)
		require.NoError(t, err)
		require.Equal(t, "3", string(created.Body))
		require.False(t, created.Replayed)

		setAge("old", 25*time.Hour)
		require.NoError(t, store.DeleteExpiredKeys(t.Context()))
		stored, err := store.FindResponse(t.Context(), recentKey)
		require.NoError(t, err)
		require.Equal(t, "2", string(stored.Body))
		var count int
		require.NoError(t, db.Read(t.Context(), database.Op{}, func(ctx context.Context, q database.Querier) error {
			return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM idempotency_keys").Scan(&count)
		}))
		require.Equal(t, 1, count)
	})

	testStore(t, "creates nothing if the key was used for a different order", func(t *testing.T, store *orders.Store, _ *database.DB) {
		order := orders.NewOrder{UserID: 1, Product: "x", Quantity: 1}
		_, err := store.CreateOnce(t.Context(), orders.IdempotencyKey{Value: "k", RequestHash: []byte("a")}, order, encodeID)
		require.NoError(t, err)
		_, err = store.CreateOnce(t.Context(), orders.IdempotencyKey{Value: "k", RequestHash: []byte("b")}, order, encodeID)
		require.Equal(t, failure.Unprocessable, failure.CodeOf(err))
		stats, err := store.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, stats.Orders)
	})
}

// encodeID returns the order's ID as the response body.
func encodeID(o orders.Order) ([]byte, error) { return []byte(fmt.Sprint(o.ID)), nil }
