-- +goose Up
-- Only in builds with the tag next: see migrations_next.go.
ALTER TABLE orders ADD COLUMN note TEXT NOT NULL DEFAULT '';
