"""Every page of the portal that a customer can open."""

from tests.portal.world import Half


def pages_of(own: Half) -> list[str]:
    """Return the addresses of all pages about what is one's own."""
    invoice, wallet = f"/portal/invoices/{own.invoice.id}", f"/portal/wallets/{own.wallet.id}"
    return [
        "/portal/",
        "/portal/invoices",
        invoice,
        f"{invoice}/lines/1",
        f"{invoice}/pay",
        "/portal/usage",
        "/portal/usage?period=30d",
        wallet,
        f"{wallet}/top-up",
        f"{wallet}/limits",
        "/portal/notifications",
        "/portal/vouchers",
        "/portal/keys",
        "/portal/keys/new",
        "/portal/profile",
        "/portal/preferences",
    ]
