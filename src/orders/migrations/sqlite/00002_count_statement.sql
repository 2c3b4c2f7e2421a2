-- +goose Up
-- SQLite has triggers for each row only; see the migration of PostgreSQL.
SELECT 1;
