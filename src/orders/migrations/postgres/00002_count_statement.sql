-- +goose Up
-- Several orders are inserted by one statement. This trigger adds all of them to the
-- statistics at once, in one row for each status: it would be slow to update a row for
-- each order. The connection chooses the shard, so that transactions that run at the
-- same time rarely wait for each other. One shard alone then says nothing, as a change
-- of the status is counted in the shard of the order's id: its numbers may be negative.
-- The sums are right.
-- +goose StatementBegin
CREATE FUNCTION count_inserted_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_stats AS s
    SELECT status, pg_backend_pid() % 16, COUNT(*), SUM(quantity * price_cents) FROM inserted GROUP BY status ORDER BY status
    ON CONFLICT (status, shard) DO UPDATE
    SET orders = s.orders + excluded.orders, revenue_cents = s.revenue_cents + excluded.revenue_cents;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION count_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO order_stats AS s VALUES (OLD.status, OLD.id % 16, -1, -OLD.quantity * OLD.price_cents)
        ON CONFLICT (status, shard) DO UPDATE
        SET orders = s.orders + excluded.orders, revenue_cents = s.revenue_cents + excluded.revenue_cents;
    END IF;
    INSERT INTO order_stats AS s VALUES (NEW.status, NEW.id % 16, 1, NEW.quantity * NEW.price_cents)
    ON CONFLICT (status, shard) DO UPDATE
    SET orders = s.orders + excluded.orders, revenue_cents = s.revenue_cents + excluded.revenue_cents;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Replacing a trigger does not wait for those who read the table, as dropping it would.
CREATE OR REPLACE TRIGGER orders_inserted AFTER INSERT ON orders
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_orders();
