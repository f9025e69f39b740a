"""Which gateways a customer may choose from."""

from app.config import current_settings
from app.errors import DomainError
from app.gateways.payments import PaymentGateway, open_gateway, payment_gateways

# The gateway that is offered first for a currency.
AT_HOME = {"INR": "razorpay"}


def offered(currency: str) -> list[PaymentGateway]:
    """Return the gateways with a page of their own that this installation has keys for, the best choice
    first.
    """
    found = []
    for name in payment_gateways:
        try:
            gateway = open_gateway(name, current_settings())
        except DomainError:
            continue
        if gateway.hosted:
            found.append(gateway)
    first = AT_HOME.get(currency, "stripe")
    return sorted(found, key=lambda gateway: (gateway.name != first, gateway.name))
