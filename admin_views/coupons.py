"""Coupons, and who has redeemed them."""

from admin_views.base import ModelScreen
from admin_views.records import Related
from admin_views.registry import screen
from admin_views.saving import Writes
from app.models import Coupon, CouponRedemption, InvoiceLine
from app.services import coupons


@screen(CouponRedemption, category="Billing", title="Redeemed coupons", icon="tag", place=25, listed=False)
class CouponRedemptionScreen(ModelScreen):
    """Which account has redeemed which coupon, and how often it was used."""

    column_list = ("coupon", "account", "redeemed_at", "used", "periods")
    search = ("coupon.code", "account.name")
    filters = ("coupon", "account")
    empty = "Redeem a coupon on the page of an account."
    related = (
        Related(
            InvoiceLine,
            by="source_id",
            columns=("invoice", "description", "amount"),
            title="Uses",
            empty="No invoice was reduced yet.",
        ),
    )


@screen(Coupon, category="Catalog", icon="discount", place=4)
class CouponScreen(ModelScreen):
    """The coupons. An account redeems one on its page, or by the API."""

    column_list = ("code", "name", "percent", "amount", "duration", "redeemed", "max_redemptions", "active")
    search = ("code", "name")
    filters = ("active", "duration")
    intro = "An account redeems a coupon by its code; it then reduces the invoices of so many periods."
    empty = "Make a coupon: a percentage or an amount, for as many redemptions as you like."
    can_create = True
    can_edit = True
    writes = Writes(coupons.create, coupons.change)
    form_columns = (
        "code",
        "name",
        "percent",
        "amount",
        "currency",
        "duration",
        "periods",
        "max_redemptions",
        "max_per_account",
        "expires_at",
        "plan_codes",
    )
    edit_columns = ("max_redemptions", "expires_at", "active")
    related = (
        Related(
            CouponRedemption, by="coupon_id", columns=("account", "redeemed_at", "used", "periods"), limit=20
        ),
    )
