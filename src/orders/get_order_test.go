package orders_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGetOrder(t *testing.T) {
	testServices(t, "responds 404 with the ID of an unknown order", func(t *testing.T, s services) {
		for path, want := range map[string]string{"/orders/9": "9", "/orders/-9": "-9", "/orders/x": `"x"`} {
			require.Equal(t, want, s.Get(t, path).Require(t, 404).At(t, "order_id"), path)
		}
	})
}
