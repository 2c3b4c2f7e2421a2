package orders_test

import (
	"context"
	"testing"

	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/testkit/servicetest"
)

// benchmarkClients is the number of concurrent clients for each processor.
const benchmarkClients = 16

// BenchmarkCreate creates orders without HTTP, by concurrent clients that share commits.
func BenchmarkCreate(b *testing.B) {
	databases := map[string]func(testing.TB) settings.Service{"SQLite": servicetest.SQLite, "PostgreSQL": servicetest.Postgres}
	for name, newConfig := range databases {
		b.Run(name, func(b *testing.B) {
			store := orders.NewStore(openDatabase(b, newConfig(b)))
			order := orders.NewOrder{UserID: 1, Product: "Notebook", Quantity: 2, Price: 899_99}
			b.ReportAllocs()
			b.SetParallelism(benchmarkClients)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := store.Create(context.Background(), order); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
