-- +goose Up
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     BIGINT    NOT NULL,
    product     TEXT      NOT NULL,
    quantity    BIGINT    NOT NULL,
    price_cents BIGINT    NOT NULL,
    status      TEXT      NOT NULL,
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX orders_user_id ON orders (user_id, id);
CREATE INDEX orders_status_id ON orders (status, id);
CREATE INDEX orders_user_status_id ON orders (user_id, status, id);

-- The number and the revenue of the orders with each status. The triggers below
-- update them in the transaction that inserts or changes an order. The shards only
-- matter on PostgreSQL, where transactions lock rows; SQLite has them too so that
-- both databases use the same queries.
CREATE TABLE order_stats (
    status        TEXT   NOT NULL,
    shard         BIGINT NOT NULL,
    orders        BIGINT NOT NULL,
    revenue_cents BIGINT NOT NULL,
    PRIMARY KEY (status, shard)
);

-- +goose StatementBegin
CREATE TRIGGER orders_inserted AFTER INSERT ON orders BEGIN
    INSERT INTO order_stats VALUES (NEW.status, NEW.id % 16, 1, NEW.quantity * NEW.price_cents)
    ON CONFLICT (status, shard) DO UPDATE
    SET orders = orders + 1, revenue_cents = revenue_cents + excluded.revenue_cents;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER orders_status_changed AFTER UPDATE OF status ON orders BEGIN
    UPDATE order_stats
    SET orders = orders - 1, revenue_cents = revenue_cents - OLD.quantity * OLD.price_cents
    WHERE status = OLD.status AND shard = OLD.id % 16;
    INSERT INTO order_stats VALUES (NEW.status, NEW.id % 16, 1, NEW.quantity * NEW.price_cents)
    ON CONFLICT (status, shard) DO UPDATE
    SET orders = orders + 1, revenue_cents = revenue_cents + excluded.revenue_cents;
END;
-- +goose StatementEnd

-- The stored responses to POST /orders, by Idempotency-Key. The column answer holds
-- the response body.
CREATE TABLE idempotency_keys (
    key          TEXT      PRIMARY KEY,
    request_hash BLOB      NOT NULL,
    order_id     BIGINT    NOT NULL,
    answer       BLOB      NOT NULL,
    created_at   TIMESTAMP NOT NULL
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- A binary whose newest migration is older than lowest_version must not use this
-- database: it refuses to start.
CREATE TABLE orders_schema_admission (lowest_version BIGINT NOT NULL);
INSERT INTO orders_schema_admission VALUES (1);
