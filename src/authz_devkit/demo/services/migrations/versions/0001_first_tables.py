"""The first tables: inventory, orders, payments, first answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "inventory",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("unit_price", sa.Integer, nullable=False),
        sa.Column("available", sa.Integer, sa.CheckConstraint("available >= 0"), nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("product_id", sa.String(64), sa.ForeignKey("inventory.id"), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("order_id", sa.String(64), sa.ForeignKey("orders.id"), nullable=False, unique=True),
        sa.Column("amount", sa.Integer, nullable=False),
    )
    op.create_table(
        "first_answers",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("operation", sa.String(16), primary_key=True),
        sa.Column("idempotency_key", sa.String(128), primary_key=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("first_answers", "payments", "orders", "inventory"):
        op.drop_table(table)
