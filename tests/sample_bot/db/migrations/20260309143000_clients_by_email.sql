-- SQLite cannot change a column: the table is made anew and copied, and the old one dropped. Devices refer to it.

-- migrate:up
CREATE TABLE new_clients (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phone TEXT UNIQUE,
    email TEXT
);
INSERT INTO new_clients (id, name, phone) SELECT id, name, phone FROM clients;
DROP TABLE clients;
ALTER TABLE new_clients RENAME TO clients;

-- migrate:down
CREATE TABLE new_clients (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phone TEXT NOT NULL UNIQUE
);
INSERT INTO new_clients (id, name, phone) SELECT id, name, phone FROM clients;
DROP TABLE clients;
ALTER TABLE new_clients RENAME TO clients;
