package main

import "context"

// engine is a database engine that the services support.
type engine struct {
	name string
	post postBounds
	// newStorage returns new, empty storage.
	newStorage func(context.Context, *harness) (storage, error)
}

func sqliteEngine() engine {
	return engine{"SQLite", postBounds{served: 1.2}, func(_ context.Context, h *harness) (storage, error) { return h.newSQLite() }}
}

func postgresEngine() engine {
	bounds := postBounds{served: 0.32, store: 0.85}
	return engine{"PostgreSQL", bounds, func(ctx context.Context, h *harness) (storage, error) { return h.newPostgres(ctx) }}
}

// fillFunc inserts rows into the storage of both services. The schema exists.
type fillFunc func(ctx context.Context, users, orders storage) error

// startFilled starts a deployment on new storage of the engine that fill has
// filled.
func (e engine) startFilled(ctx context.Context, h *harness, d deployment, fill fillFunc) (s *services, err error) {
	if d.users, err = e.newStorage(ctx, h); err != nil {
		return nil, err
	}
	if d.orders, err = e.newStorage(ctx, h); err != nil {
		return nil, err
	}
	if err := d.createSchema(ctx); err != nil {
		return nil, err
	}
	if err := fill(ctx, d.users, d.orders); err != nil {
		return nil, err
	}
	return d.start(ctx)
}
