"""The second person: what waits for whoever is looking, what was decided, and up to which amount one is
enough.
"""

from markupsafe import Markup
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from admin_views.access import current_actor
from admin_views.base import ModelScreen
from admin_views.operations import Operation
from admin_views.registry import screen
from admin_views.saving import Writes
from app.db import Base
from app.formatting import format_money
from app.models import Approval, ApprovalLimit
from app.models.approvals import ApprovalStatus
from app.services import approval_limits, approvals
from app.services.attention import Waiting
from app.services.money_operations import operations

WHY_NOT = StringField(
    "Reason", validators=[InputRequired(), Length(max=300)], description="Who asked for it reads this."
)


def effect(approval: Approval) -> str:
    """Return what approving will do, in words."""
    amount = format_money(approval.amount, approval.currency)
    does = operations[approval.operation].effect
    return (
        f"{amount} {does} of {approval.wallet.account.name} at once, under the names of "
        f"{approval.requested_by} and yours. Reason: {approval.reason}"
    )


def called(approval: Approval) -> Markup:
    """Return what people call the movement."""
    return Markup("{}").format(operations[approval.operation].label)


def can_decide(approval: Approval) -> bool:
    """Tell whether the person who is looking can approve or refuse it."""
    return approval.status is ApprovalStatus.requested and not approvals.is_own(approval, current_actor())


def can_withdraw(approval: Approval) -> bool:
    """Tell whether the person who is looking asked for it and it still waits."""
    return approval.status is ApprovalStatus.requested and approvals.is_own(approval, current_actor())


@screen(Approval, category="Wallets", resource="approvals", icon="users", place=2)
class ApprovalScreen(ModelScreen):
    """The requests, the newest first; above them those that wait for the person who is looking."""

    column_list = (
        "created_at",
        "operation",
        "amount",
        "wallet",
        "reason",
        "requested_by",
        "status",
        "decided_by",
    )
    labels = {"created_at": "Asked", "transaction": "Moved by", "decision_reason": "Reason of the refusal"}
    formats = {"operation": called}
    search = ("wallet.account.name",)
    filters = ("status", "wallet", "created_at")
    intro = "Money above the limit of one person moves when a second one approves it."
    empty = "A credit, debit, reversal or recorded top-up above the limit waits here for somebody else."
    list_template = "admin/approvals.html"
    list_parts = ("admin/parts/approvals.html",)
    details = (
        "status",
        "operation",
        "amount",
        "wallet",
        "wallet.account.customer",
        "reason",
        "reference",
        "details",
        "requested_by",
        "expires_at",
        "decided_by",
        "decided_at",
        "decision_reason",
        "transaction",
        "id",
        "created_at",
    )
    operations = (
        Operation(
            "approve",
            "Approve",
            run=approvals.approve,
            icon="check",
            bulk=False,
            when=can_decide,
            needs_recent_sign_in=True,
            explain=effect,
        ),
        Operation(
            "refuse",
            "Refuse",
            run=approvals.refuse,
            icon="x",
            when=can_decide,
            inputs={"reason": WHY_NOT},
            confirm="Nothing moves. The request is closed and can be made again.",
        ),
        Operation(
            "withdraw",
            "Withdraw",
            run=approvals.withdraw,
            icon="arrow-back-up",
            bulk=False,
            when=can_withdraw,
            confirm="Nothing moves. The request is closed.",
        ),
    )

    effect = staticmethod(effect)
    called = staticmethod(called)

    def count_waiting(self, waiting: Waiting) -> int:
        """Return how many requests the person who is looking can decide on."""
        return waiting.approvals

    def inbox(self) -> list[Approval]:
        """Return the requests that wait for the person who is looking."""
        return approvals.waiting_for(current_actor())

    def label_of_record(self, record: Base) -> str:
        """Return what is asked for as the title of its page."""
        assert isinstance(record, Approval)
        return f"{operations[record.operation].label} of {format_money(record.amount, record.currency)}"


@screen(
    ApprovalLimit,
    category="Settings",
    resource="approval_limits",
    title="Approval limits",
    icon="scale",
    place=4,
)
class ApprovalLimitScreen(ModelScreen):
    """Up to which amount one person alone moves money. Super admins change it."""

    column_list = ("currency", "amount", "updated_at")
    search = ("=currency",)
    order = "currency"
    intro = (
        "Above these amounts a second person has to approve what staff do with the money of wallets. "
        "In a currency without a line one person is enough."
    )
    empty = "Add a currency to have a second person asked."
    can_create = True
    can_edit = True
    can_delete = True
    form_columns = ("currency", "amount")
    edit_columns = ("amount",)
    writes = Writes(create=approval_limits.create, update=approval_limits.change)
