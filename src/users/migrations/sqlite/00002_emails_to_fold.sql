-- +goose Up
-- The users whose e-mail address lower case and case folding may make different, and those whose key is a duplicate's: each
-- start looks at them, see FoldEmails.
CREATE INDEX users_emails_to_fold ON users (id) WHERE octet_length(email) > length(email) OR substr(email_key, 1, 1) = ' ';
