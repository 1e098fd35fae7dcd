"""payments, and orders by status"""

import sqlalchemy as sa
from alembic import op

revision = "e5a40d7c3b64"
down_revision = "d4f39c6b5a53"


def upgrade():
    op.create_table(
        "payments",
        sa.Column("id", sa.Integer, primary_key=True, nullable=True),
        sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id", ondelete="CASCADE"),
                  nullable=False),
        sa.Column("cents", sa.Integer, nullable=False),
        sa.Column("paid_at", sa.Text, nullable=False),
    )
    op.create_index("payments_of_order", "payments", ["order_id"])
    op.create_index("orders_by_status", "orders", ["status", "accepted_at"])


def downgrade():
    op.drop_index("orders_by_status", "orders")
    op.drop_table("payments")
