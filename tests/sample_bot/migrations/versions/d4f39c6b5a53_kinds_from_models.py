"""kinds from models: a migration of data"""

import sqlalchemy as sa
from alembic import op

revision = "d4f39c6b5a53"
down_revision = "c3e28b5a7f42"

KINDS = {
    "Nokia 3310": "phone",
    "Galaxy S9": "phone",
    "iPhone 8": "phone",
    "ThinkPad X230": "laptop",
    "Kindle 4": "reader",
    "EOS 350D": "camera",
}

devices = sa.table("devices", sa.column("id"), sa.column("model"), sa.column("kind"))


def upgrade():
    connection = op.get_bind()
    for device, model in connection.execute(sa.select(devices.c.id, devices.c.model)).fetchall():
        connection.execute(sa.update(devices).where(devices.c.id == device)
                           .values(kind=KINDS.get(model, "unknown")))


def downgrade():
    op.execute(sa.update(devices).values(kind="unknown"))
