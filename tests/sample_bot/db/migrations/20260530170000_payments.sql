-- migrate:up
CREATE TABLE payments (
    id       INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    cents    INTEGER NOT NULL,
    paid_at  TEXT NOT NULL
);
CREATE INDEX payments_of_order ON payments (order_id);
CREATE INDEX orders_by_status ON orders (status, accepted_at);

-- migrate:down
DROP INDEX orders_by_status;
DROP TABLE payments;
