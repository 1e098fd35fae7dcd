-- migrate:up
CREATE TABLE clients (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phone TEXT NOT NULL UNIQUE
);
CREATE TABLE devices (
    id        INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    model     TEXT NOT NULL,
    serial    TEXT NOT NULL UNIQUE
);
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY,
    device_id   INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    problem     TEXT NOT NULL,
    status      TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    accepted_at TEXT NOT NULL
);
CREATE TABLE order_events (
    id       INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    at       TEXT NOT NULL,
    status   TEXT NOT NULL
);
CREATE INDEX devices_of_client ON devices (client_id);
CREATE INDEX orders_of_device ON orders (device_id);
CREATE INDEX events_of_order ON order_events (order_id);
PRAGMA user_version = 1;

-- migrate:down
DROP TABLE order_events;
DROP TABLE orders;
DROP TABLE devices;
DROP TABLE clients;
PRAGMA user_version = 0;
