package database

import (
	"context"
	"database/sql"
	"errors"
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
	if statement == nil && len(s.prepared)+len(s.missed) < maxStatements {
		s.missed = append(s.missed, query)
	}
	return statement
}

// prepareMissed prepares the statements that get has not found. A transaction must
// not be open where the pool has one connection.
func (s *statements) prepareMissed(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, query := range s.missed {
		if s.prepared[query] != nil {
			continue
		}
		if statement, err := s.pool.PrepareContext(ctx, query); err == nil { // else it runs as before, and returns its error
			s.prepared[query] = statement
		}
	}
	s.missed = nil
}

// close closes the statements.
func (s *statements) close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, statement := range s.prepared {
		err = errors.Join(err, statement.Close())
	}
	clear(s.prepared)
	return err
}

// preparedTx is a transaction that uses prepared statements.
type preparedTx struct {
	*sql.Tx
	statements *statements
}

// ExecContext implements Querier.
func (t *preparedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if statement := t.statements.get(query); statement != nil {
		return t.Tx.StmtContext(ctx, statement).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryContext implements Querier.
func (t *preparedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if statement := t.statements.get(query); statement != nil {
		return t.Tx.StmtContext(ctx, statement).QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext implements Querier.
func (t *preparedTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement := t.statements.get(query); statement != nil {
		return t.Tx.StmtContext(ctx, statement).QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
