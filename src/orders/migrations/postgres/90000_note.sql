-- +goose Up
-- In builds with the tag next alone: see migrations_next.go.
ALTER TABLE orders ADD COLUMN note TEXT NOT NULL DEFAULT '';
