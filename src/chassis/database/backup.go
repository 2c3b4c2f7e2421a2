package database

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Backup writes a copy of the SQLite file DIR/NAME.db as it is at this moment. A service
// may have it open and go on writing. The copy is written page by page, from a
// snapshot (https://sqlite.org/isolation.html), so it needs neither memory nor disk.
func Backup(ctx context.Context, dir, name string, to io.Writer) error {
	path, err := filepath.Abs(filepath.Join(dir, name+".db"))
	if err != nil {
		return fmt.Errorf("find the folder that DATA_DIR names: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: give the folder of the service in DATA_DIR", path)
	}
	options := url.Values{"mode": {"ro"}, "_busy_timeout": {"5000"}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String())
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer pool.Close()
	if err := copyPages(ctx, pool, to); err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	return nil
}

// copyPages writes all pages of the database in their order
// (https://sqlite.org/dbpage.html). The transaction keeps the snapshot.
func copyPages(ctx context.Context, pool *sql.DB, to io.Writer) error {
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has changed nothing
	rows, err := tx.QueryContext(ctx, "SELECT data FROM sqlite_dbpage ORDER BY pgno")
	if err != nil {
		return err
	}
	defer rows.Close()
	buffered := bufio.NewWriterSize(to, 1<<20)
	var page sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&page); err != nil {
			return err
		}
		if _, err := buffered.Write(page); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), buffered.Flush())
}
