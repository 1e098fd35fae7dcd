"""kind of devices"""

import sqlalchemy as sa
from alembic import op

revision = "b2d17a4f8c31"
down_revision = "a1c05f3e9d20"


def upgrade():
    op.add_column("devices",
                  sa.Column("kind", sa.Text, nullable=False, server_default="unknown"))


def downgrade():
    op.drop_column("devices", "kind")
