package users

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the schema migrations of the service's database.
func Migrations() fs.FS { return migrations }

// Store reads and writes users in a database. Besides the errors that their
// comments name, all methods return failure.Unavailable if the database is
// unavailable.
type Store struct{ db *database.DB }

// NewStore returns a store in db, which must have the schema of Migrations.
func NewStore(db *database.DB) *Store { return &Store{db} }

// userColumns are the columns that scanUser reads.
const userColumns = "id, name, email, active, created_at"

// Create inserts an active user. It returns failure.Conflict if another user has
// the same e-mail address.
func (s *Store) Create(ctx context.Context, u NewUser) (created User, err error) {
	const query = "INSERT INTO users (name, email, email_key, active, created_at) VALUES ($1, $2, $3, TRUE, $4) RETURNING " + userColumns
	err = s.db.Exec(ctx, usersOp("INSERT"), func(ctx context.Context, q database.Querier) (err error) {
		created, err = scanUser(q.QueryRowContext(ctx, query, u.Name, u.Email, emailKey(u.Email), database.Now()))
		return err
	})
	return created, asConflict(err)
}

// Get returns the user with the given ID, or failure.NotFound.
func (s *Store) Get(ctx context.Context, id int64) (user User, err error) {
	err = s.db.Read(ctx, usersOp("SELECT"), func(ctx context.Context, q database.Querier) (err error) {
		user, err = scanUser(q.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE id = $1", id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, userNotFound(id)
	}
	return user, err
}

// List returns the users that the filter selects, sorted by ID.
func (s *Store) List(ctx context.Context, f Filter) (users []User, err error) {
	var where database.Where
	where.And("id >", f.After)
	if f.Active != nil {
		where.And("active =", *f.Active)
	}
	if f.IDs != nil {
		where.AndIn("id", f.IDs)
	}
	clauses, args := where.Page(f.Limit)
	err = s.db.Read(ctx, usersOp("SELECT"), func(ctx context.Context, q database.Querier) error {
		users, err = database.CollectRows(ctx, q, scanUser, "SELECT "+userColumns+" FROM users"+clauses, args...)
		return err
	})
	return users, err
}

// Update changes a user and returns the changed user. It returns failure.NotFound
// if there is no such user, and failure.Conflict if another user has the same
// e-mail address.
func (s *Store) Update(ctx context.Context, id int64, c Changes) (user User, err error) {
	const query = "UPDATE users SET name = COALESCE($2, name), email = COALESCE($3, email)," +
		" email_key = COALESCE($4, email_key), active = COALESCE($5, active) WHERE id = $1 RETURNING " + userColumns
	var newKey *string
	if c.Email != nil {
		key := emailKey(*c.Email)
		newKey = &key
	}
	err = s.db.Exec(ctx, usersOp("UPDATE"), func(ctx context.Context, q database.Querier) (err error) {
		user, err = scanUser(q.QueryRowContext(ctx, query, id, c.Name, c.Email, newKey, c.Active))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, userNotFound(id)
	}
	return user, asConflict(err)
}

// usersOp names an SQL command on the table users, for spans and errors.
func usersOp(command string) database.Op { return database.Op{Name: command, Table: "users"} }

func scanUser(row database.Row) (u User, err error) {
	err = row.Scan(&u.ID, &u.Name, &u.Email, &u.Active, &u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	return u, err
}

// asConflict returns failure.Conflict if err means that another user has the same
// e-mail address, and otherwise err itself.
func asConflict(err error) error {
	if database.IsDuplicate(err) {
		return failure.New(failure.Conflict, "Another user has this e-mail address.")
	}
	return err
}
