-- +goose Up
CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT      NOT NULL,
    email      TEXT      NOT NULL,
    email_key  TEXT      NOT NULL UNIQUE, -- email in lower case
    active     BOOLEAN   NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX users_active_id ON users (active, id);

-- A binary whose newest migration is older than lowest_version must not use this
-- database: it refuses to start.
CREATE TABLE users_schema_admission (lowest_version BIGINT NOT NULL);
INSERT INTO users_schema_admission VALUES (1);
