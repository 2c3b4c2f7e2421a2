package users

import (
	"context"
	"time"

	"tandem/src/chassis/database"
)

// demoUsers returns the users of the demo data.
func demoUsers() []User {
	day := func(d int) time.Time { return time.Date(2025, 1, d, 0, 0, 0, 0, time.UTC) }
	return []User{
		{ID: 1, Name: "Juan Perez", Email: "juan@email.com", Active: true, CreatedAt: day(10)},
		{ID: 2, Name: "Maria Gonzalez", Email: "maria@email.com", Active: true, CreatedAt: day(12)},
		{ID: 3, Name: "Carlos Lopez", Email: "carlos@email.com", Active: true, CreatedAt: day(15)},
	}
}

// Seed inserts the demo users if the store is empty. Several replicas may
// call it at the same time.
func (s *Store) Seed(ctx context.Context) error {
	return s.db.Seed(ctx, "users", func(ctx context.Context, q database.Querier) error {
		for _, u := range demoUsers() {
			const query = "INSERT INTO users (id, name, email, email_key, active, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
			if _, err := q.ExecContext(ctx, query, u.ID, u.Name, u.Email, emailKey(u.Email), u.Active, u.CreatedAt); err != nil {
				return err
			}
		}
		return nil
	})
}
