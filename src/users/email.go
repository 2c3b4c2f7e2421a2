package users

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/text/cases"

	"tandem/src/chassis/database"
	"tandem/src/chassis/failure"
)

const (
	// foldVersion is the first schema version whose binaries fold e-mail addresses.
	// Older ones store them in lower case.
	foldVersion = 2
	// foldBatch is the number of users that one transaction of FoldEmails looks at.
	foldBatch = 25
	// foldRetryDelay is the delay before FoldEmails tries again.
	foldRetryDelay = 500 * time.Millisecond
)

// emailKey returns the form of an e-mail address that must be unique: its full case
// folding (https://www.unicode.org/versions/latest/core-spec/chapter-5/#G21790).
func emailKey(address string) string { return cases.Fold().String(address) }

// duplicateKey returns the key of a user whose address, once folded, is that of an
// older user. No address begins with a space.
func duplicateKey(id int64, folded string) string { return fmt.Sprintf(" %d %s", id, folded) }

// FoldEmails folds the keys that an older version has stored in lower case; SQL
// cannot. Of two users whose addresses become the same, the older keeps the key, the
// younger gets that of duplicateKey until the key is free, and a log line has the IDs
// of both. It does nothing if the database no longer admits such a version. While the
// database is unavailable, it tries again until ctx ends. Replicas can call it
// concurrently.
func (s *Store) FoldEmails(ctx context.Context, log *slog.Logger) error {
	var lowest int64
	err := untilAvailable(ctx, log, func() (err error) { lowest, err = s.db.LowestVersion(ctx); return err })
	if err != nil || lowest >= foldVersion {
		return err
	}
	for after := int64(0); ; {
		var batch []storedEmail
		var duplicates []duplicate
		err := untilAvailable(ctx, log, func() (err error) { batch, duplicates, err = s.foldBatch(ctx, after); return err })
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, d := range duplicates {
			log.Warn("two users have the same e-mail address",
				slog.Int64("user_id", d.owner), slog.Int64("duplicate_user_id", d.id))
		}
		after = batch[len(batch)-1].id
	}
}

// untilAvailable calls an operation until its error is not failure.Unavailable, or ctx
// ends, and returns its error.
func untilAvailable(ctx context.Context, log *slog.Logger, operation func() error) error {
	for {
		err := operation()
		if failure.CodeOf(err) != failure.Unavailable || ctx.Err() != nil {
			return err
		}
		log.Warn("cannot fold e-mail addresses yet", slog.String("error", err.Error()))
		select {
		case <-ctx.Done():
		case <-time.After(foldRetryDelay):
		}
	}
}

// storedEmail is the e-mail address of a user with its key.
type storedEmail struct {
	id         int64
	email, key string
}

// duplicate is a user with the folded address of an older one, the owner.
type duplicate struct{ owner, id int64 }

// emailsToFoldQuery selects the next users whose key may have to change, by the
// index that the migration creates.
const emailsToFoldQuery = "SELECT id, email, email_key FROM users" +
	" WHERE (octet_length(email) > length(email) OR substr(email_key, 1, 1) = ' ') AND id > $1 ORDER BY id LIMIT $2"

// foldBatch folds the next keys. It locks the table only if one must change.
func (s *Store) foldBatch(ctx context.Context, after int64) (batch []storedEmail, duplicates []duplicate, err error) {
	read := func(ctx context.Context, q database.Querier) (err error) {
		batch, err = database.CollectRows(ctx, q, scanStoredEmail, emailsToFoldQuery, after, foldBatch)
		return err
	}
	err = s.db.Read(ctx, usersOp("SELECT"), read)
	if err != nil || !slices.ContainsFunc(batch, func(e storedEmail) bool { return e.key != emailKey(e.email) }) {
		return batch, nil, err
	}
	err = s.db.WriteLocked(ctx, usersOp("UPDATE"), func(ctx context.Context, q database.Querier) error {
		duplicates = nil
		if err := read(ctx, q); err != nil { // again: it may have changed before the lock
			return err
		}
		for _, e := range batch {
			found, err := fold(ctx, q, e)
			if err != nil {
				return err
			}
			duplicates = append(duplicates, found...)
		}
		return nil
	})
	return batch, duplicates, err
}

// fold gives a user its folded key, unless an older user has that key. It returns
// the duplicate that it has found, if any.
func fold(ctx context.Context, q database.Querier, e storedEmail) ([]duplicate, error) {
	folded := emailKey(e.email)
	var owner int64
	err := q.QueryRowContext(ctx, "SELECT id FROM users WHERE email_key = $1", folded).Scan(&owner)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, setEmailKey(ctx, q, e.id, folded)
	case err != nil || owner == e.id:
		return nil, err
	case owner < e.id:
		return []duplicate{{owner, e.id}}, setEmailKey(ctx, q, e.id, duplicateKey(e.id, folded))
	default:
		return []duplicate{{e.id, owner}}, errors.Join(
			setEmailKey(ctx, q, owner, duplicateKey(owner, folded)), setEmailKey(ctx, q, e.id, folded))
	}
}

func setEmailKey(ctx context.Context, q database.Querier, id int64, key string) error {
	_, err := q.ExecContext(ctx, "UPDATE users SET email_key = $2 WHERE id = $1", id, key)
	return err
}

func scanStoredEmail(row database.Row) (e storedEmail, err error) {
	err = row.Scan(&e.id, &e.email, &e.key)
	return e, err
}
