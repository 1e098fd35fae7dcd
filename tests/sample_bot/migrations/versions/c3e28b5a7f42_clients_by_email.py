"""clients by e-mail, who need no phone

SQLite cannot change a column, so Alembic makes the table anew, copies it, and drops the old one. Devices refer to it.
"""

import sqlalchemy as sa
from alembic import op

revision = "c3e28b5a7f42"
down_revision = "b2d17a4f8c31"


def upgrade():
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("email", sa.Text))
        clients.alter_column("phone", existing_type=sa.Text, nullable=True)


def downgrade():
    with op.batch_alter_table("clients") as clients:
        clients.alter_column("phone", existing_type=sa.Text, nullable=False)
        clients.drop_column("email")
