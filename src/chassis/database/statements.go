package database

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// maxStatements is the greatest number of statements that a pool keeps prepared. The
// services have fewer texts, but for lists of ids, which differ in length.
const maxStatements = 64

// statements keeps the statements of an SQLite pool prepared, by their text: parsing
// one costs more than running it. pgx does the same for PostgreSQL.
type statements struct {
	pool     *sql.DB
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
	missed   []string // texts that a transaction has used and that are not prepared yet
}

func newStatements(pool *sql.DB) *statements {
	return &statements{pool: pool, prepared: map[string]*sql.Stmt{}}
}

// get returns the statement, or nil if it is not prepared.
func (s *statements) get(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	statement := s.prepared[query]
	if statement == nil && len(s.prepared)+len(s.missed) < maxStatements && !slices.Contains(s.missed, query) {
		s.missed = append(s.missed, query)
	}
	return statement
}

// prepareMissed prepares the statements that get has not found. A transaction must
// not be open where the pool has one connection. A statement that cannot be prepared
// runs as it is, and then returns its error.
func (s *statements) prepareMissed(ctx context.Context) {
	s.mu.Lock()
	missed := s.missed
	s.missed = nil
	s.mu.Unlock()
	for _, query := range missed {
		if statement, err := s.pool.PrepareContext(ctx, query); err == nil { //nolint:sqlclosecheck // closed together with the pool
			s.keep(query, statement)
		}
	}
}

// keep keeps a statement until the pool is closed, unless another caller has prepared the
// same text meanwhile.
func (s *statements) keep(query string, statement *sql.Stmt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prepared[query] != nil {
		_ = statement.Close() // nobody uses it
		return
	}
	s.prepared[query] = statement
}

// preparedPool runs single statements that change nothing, prepared.
type preparedPool struct{ statements *statements }

// find returns the statement, which it prepares if necessary, or nil if that fails or
// there are too many.
func (p preparedPool) find(ctx context.Context, query string) *sql.Stmt {
	if statement := p.statements.get(query); statement != nil {
		return statement
	}
	p.statements.prepareMissed(ctx)
	return p.statements.get(query)
}

// ExecContext implements Querier.
func (p preparedPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.statements.pool.ExecContext(ctx, query, args...)
}

// QueryContext implements Querier.
func (p preparedPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if statement := p.find(ctx, query); statement != nil { //nolint:sqlclosecheck // closed together with the pool
		return statement.QueryContext(ctx, args...)
	}
	return p.statements.pool.QueryContext(ctx, query, args...)
}

// QueryRowContext implements Querier.
func (p preparedPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement := p.find(ctx, query); statement != nil { //nolint:sqlclosecheck // closed together with the pool
		return statement.QueryRowContext(ctx, args...)
	}
	return p.statements.pool.QueryRowContext(ctx, query, args...)
}

// preparedTx is a transaction that uses prepared statements.
type preparedTx struct {
	*sql.Tx
	statements *statements
	bound      map[string]*sql.Stmt // statements of the transaction, by their text
}

// find returns the statement, bound to the transaction, or nil if it is not prepared.
func (t *preparedTx) find(ctx context.Context, query string) *sql.Stmt {
	if statement := t.bound[query]; statement != nil {
		return statement
	}
	statement := t.statements.get(query)
	if statement == nil {
		return nil
	}
	if t.bound == nil {
		t.bound = map[string]*sql.Stmt{}
	}
	t.bound[query] = t.StmtContext(ctx, statement)
	return t.bound[query]
}

// ExecContext implements Querier.
func (t *preparedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if statement := t.find(ctx, query); statement != nil { //nolint:sqlclosecheck // closed together with the transaction
		return statement.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryContext implements Querier.
func (t *preparedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if statement := t.find(ctx, query); statement != nil { //nolint:sqlclosecheck // closed together with the transaction
		return statement.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext implements Querier.
func (t *preparedTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement := t.find(ctx, query); statement != nil { //nolint:sqlclosecheck // closed together with the transaction
		return statement.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
