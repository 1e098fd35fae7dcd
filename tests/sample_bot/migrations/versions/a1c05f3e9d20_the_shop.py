"""the shop: what bot.py makes of an empty database"""

from alembic import op

revision = "a1c05f3e9d20"
down_revision = None

TABLES = (
    """CREATE TABLE clients (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phone TEXT NOT NULL UNIQUE
)""",
    """CREATE TABLE devices (
    id        INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    model     TEXT NOT NULL,
    serial    TEXT NOT NULL UNIQUE
)""",
    """CREATE TABLE orders (
    id          INTEGER PRIMARY KEY,
    device_id   INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    problem     TEXT NOT NULL,
    status      TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    accepted_at TEXT NOT NULL
)""",
    """CREATE TABLE order_events (
    id       INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    at       TEXT NOT NULL,
    status   TEXT NOT NULL
)""",
)


def upgrade():
    for table in TABLES:
        op.execute(table)
    op.create_index("devices_of_client", "devices", ["client_id"])
    op.create_index("orders_of_device", "orders", ["device_id"])
    op.create_index("events_of_order", "order_events", ["order_id"])
    op.execute("PRAGMA user_version = 1")


def downgrade():
    for table in ("order_events", "orders", "devices", "clients"):
        op.drop_table(table)
    op.execute("PRAGMA user_version = 0")
