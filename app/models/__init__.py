"""The tables. Importing this package maps all of them; import a class from here, its enums from its own
module.
"""

from app.models.alerts import AutoTopUp, WalletSpending
from app.models.anchors import LedgerAnchor
from app.models.approvals import Approval, ApprovalLimit
from app.models.archives import EventArchive
from app.models.audit import AuditAnchor, AuditRecord, AuditSeal, AuditUnsealed
from app.models.billing_runs import BillingRun, BillingRunItem
from app.models.branding import Branding, BrandLogo
from app.models.contracts import (
    AccountCredit,
    Commitment,
    Coupon,
    CouponRedemption,
    Discount,
    TermsOverride,
)
from app.models.corrections import EventCorrection
from app.models.customers import Account, Customer
from app.models.dunning import DunningNotice, DunningPause
from app.models.einvoices import EInvoice
from app.models.exports import DocumentMail, Export
from app.models.grants import Grant, GrantUse
from app.models.holds import Hold, Transfer
from app.models.invoices import (
    Invoice,
    InvoiceLine,
    InvoiceSeries,
)
from app.models.notes import CustomerNote
from app.models.notifications import Notification, NotificationPreference, NotificationRead
from app.models.outbox import IdempotencyRecord, JobRun, OutboxMessage, StoredFile
from app.models.payment_methods import PaymentMethod
from app.models.payments import Payment, WebhookMessage
from app.models.plan_moves import PlanMove, PlanMoveItem
from app.models.plans import Metric, PlanVersion, PriceComponent, PricePlan, Subscription
from app.models.refunds import Refund
from app.models.saved_filters import SavedFilter
from app.models.sessions import EndedSession
from app.models.simulations import SimulatedAccount, Simulation
from app.models.tax import ExchangeRate, LetterOfUndertaking, SellerRegistration, TaxCollector, TaxRate
from app.models.tds import TdsReceivable
from app.models.usage import ChargePosition, DeadLetter, EventKey, UsageDelta, UsageEvent, UsageRollup
from app.models.users import ApiKey, ApiKeySecret, UsedNonce, User
from app.models.verifications import Verification
from app.models.vouchers import Voucher, VoucherAdjustment
from app.models.wallets import Journal, Posting, Wallet, WalletTransaction

__all__ = [
    "Account",
    "AccountCredit",
    "ApiKey",
    "ApiKeySecret",
    "Approval",
    "ApprovalLimit",
    "AuditAnchor",
    "AuditRecord",
    "AuditSeal",
    "AuditUnsealed",
    "AutoTopUp",
    "BillingRun",
    "BillingRunItem",
    "BrandLogo",
    "Branding",
    "ChargePosition",
    "Commitment",
    "Coupon",
    "CouponRedemption",
    "Customer",
    "CustomerNote",
    "DeadLetter",
    "Discount",
    "DocumentMail",
    "DunningNotice",
    "DunningPause",
    "EInvoice",
    "EndedSession",
    "EventArchive",
    "EventCorrection",
    "EventKey",
    "ExchangeRate",
    "Export",
    "Grant",
    "GrantUse",
    "Hold",
    "IdempotencyRecord",
    "Invoice",
    "InvoiceLine",
    "InvoiceSeries",
    "JobRun",
    "Journal",
    "LedgerAnchor",
    "LetterOfUndertaking",
    "Metric",
    "Notification",
    "NotificationPreference",
    "NotificationRead",
    "OutboxMessage",
    "Payment",
    "PaymentMethod",
    "PlanMove",
    "PlanMoveItem",
    "PlanVersion",
    "Posting",
    "PriceComponent",
    "PricePlan",
    "Refund",
    "SavedFilter",
    "SellerRegistration",
    "SimulatedAccount",
    "Simulation",
    "StoredFile",
    "Subscription",
    "TaxCollector",
    "TaxRate",
    "TdsReceivable",
    "TermsOverride",
    "Transfer",
    "UsageDelta",
    "UsageEvent",
    "UsageRollup",
    "UsedNonce",
    "User",
    "Verification",
    "Voucher",
    "VoucherAdjustment",
    "Wallet",
    "WalletSpending",
    "WalletTransaction",
    "WebhookMessage",
]
