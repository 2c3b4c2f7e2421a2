-- +goose Up
-- Only binaries with the build tag next contain this file: see migrations_next.go.
ALTER TABLE orders ADD COLUMN note TEXT NOT NULL DEFAULT '';
