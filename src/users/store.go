package users

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"strings"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
)

//go:embed migrations
var migrations embed.FS

// Migrations are the versions of the store's schema.
func Migrations() fs.FS { return migrations }

// Store keeps users in a database. Beside the failures that its methods name,
// each gives failure.Unavailable while the database is away.
type Store struct{ db *database.DB }

// NewStore returns the store in a database that has the Migrations.
func NewStore(db *database.DB) *Store { return &Store{db} }

const columns = "id, name, email, active, created_at"

// Create stores a new, active user. The failure is Conflict where another user
// has the address, in whatever case.
func (s *Store) Create(ctx context.Context, u NewUser) (created User, err error) {
	const query = "INSERT INTO users (name, email, email_key, active, created_at) VALUES ($1, $2, $3, TRUE, $4) RETURNING " + columns
	err = s.db.Exec(ctx, op("INSERT"), func(ctx context.Context, q database.Querier) (err error) {
		created, err = scan(q.QueryRowContext(ctx, query, u.Name, u.Email, emailKey(u.Email), database.Now()))
		return err
	})
	return created, explain(err)
}

// Get returns the user with that id. The failure is NotFound.
func (s *Store) Get(ctx context.Context, id int64) (found User, err error) {
	err = s.db.Read(ctx, op("SELECT"), func(ctx context.Context, q database.Querier) (err error) {
		found, err = scan(q.QueryRowContext(ctx, "SELECT "+columns+" FROM users WHERE id = $1", id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, noUser(id)
	}
	return found, err
}

// List returns the users that a filter chooses, by id.
func (s *Store) List(ctx context.Context, f Filter) (found []User, err error) {
	var where database.Where
	where.And("id >", f.After)
	if f.Active != nil {
		where.And("active =", *f.Active)
	}
	if f.IDs != nil {
		where.AndIn("id", f.IDs)
	}
	page, args := where.Page(f.Limit)
	err = s.db.Read(ctx, op("SELECT"), func(ctx context.Context, q database.Querier) error {
		found, err = database.CollectRows(ctx, q, scan, "SELECT "+columns+" FROM users"+page, args...)
		return err
	})
	return found, err
}

// Update changes a user. The failure is NotFound, or Conflict where another
// user has the address.
func (s *Store) Update(ctx context.Context, id int64, c Changes) (changed User, err error) {
	const query = "UPDATE users SET name = COALESCE($2, name), email = COALESCE($3, email)," +
		" email_key = COALESCE($4, email_key), active = COALESCE($5, active) WHERE id = $1 RETURNING " + columns
	var key *string
	if c.Email != nil {
		lower := emailKey(*c.Email)
		key = &lower
	}
	err = s.db.Exec(ctx, op("UPDATE"), func(ctx context.Context, q database.Querier) (err error) {
		changed, err = scan(q.QueryRowContext(ctx, query, id, c.Name, c.Email, key, c.Active))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, noUser(id)
	}
	return changed, explain(err)
}

func op(command string) database.Op { return database.Op{Name: command, Table: "users"} }

func scan(row database.Row) (u User, err error) {
	err = row.Scan(&u.ID, &u.Name, &u.Email, &u.Active, &u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	return u, err
}

// explain says of a duplicate that the address is taken.
func explain(err error) error {
	if database.IsDuplicate(err) {
		return failure.New(failure.Conflict, "Another user has this e-mail address.")
	}
	return err
}

// emailKey is what makes an address unique.
func emailKey(address string) string { return strings.ToLower(address) }
