"""The settings of signing in: the identity provider, the second factor, the sign-in of a demonstration."""

from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# How a provider is asked for a second factor, and says that there was one, where it speaks of `acr` at all.
MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
LONGEST_STEP_UP_MINUTES = 480


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Who proves who people are. The provider is Auth0's tenant, or any other by its issuer."""

    development_sign_in: bool = False
    auth0_domain: str = ""
    auth0_client_id: str = ""
    auth0_client_secret: str = ""
    oidc_issuer: str = ""
    oidc_roles_claim: str = "https://otpless.com/roles"
    oidc_customer_claim: str = "https://otpless.com/customer"
    oidc_mfa_acr: tuple[str, ...] = (MULTI_FACTOR,)
    step_up_minutes: int = 10

    @property
    def issuer(self) -> str:
        """The provider as it calls itself in its tokens, '' where none is configured."""
        return self.oidc_issuer or (f"https://{self.auth0_domain}/" if self.auth0_domain else "")

    @property
    def issuer_origin(self) -> str:
        """The provider's scheme and host, '' where none is configured."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def problems_of(settings: SignInSettings, public_url: str, *, production: bool) -> list[str]:
    """Return what keeps the settings from being used, a sentence each."""
    problems = []
    if settings.oidc_issuer and settings.auth0_domain:
        problems.append("OIDC_ISSUER and AUTH0_DOMAIN name the same thing: set one of them.")
    if settings.issuer and not settings.auth0_client_id:
        problems.append("AUTH0_CLIENT_ID is not set: it tells the identity provider who asks.")
    if settings.issuer and not _may_be_asked(settings.issuer, production):
        problems.append("OIDC_ISSUER must start with https://, or with http:// on this machine for a trial.")
    if production and settings.issuer and not settings.auth0_client_secret:
        problems.append("AUTH0_CLIENT_SECRET is not set: in production the service proves itself by it.")
    if not 1 <= settings.step_up_minutes <= LONGEST_STEP_UP_MINUTES:
        problems.append(f"STEP_UP_MINUTES must be from 1 to {LONGEST_STEP_UP_MINUTES}.")
    if settings.development_sign_in:
        if production:
            problems.append("DEVELOPMENT_SIGN_IN must not be on in production.")
        if not is_loopback(public_url):
            problems.append(
                "DEVELOPMENT_SIGN_IN lets everybody in and is for this machine alone: "
                f"PUBLIC_URL={public_url!r} is another address."
            )
    return problems


def is_loopback(url: str) -> bool:
    """Tell whether an address is this machine's own."""
    return (urlsplit(url).hostname or "") in LOOPBACK


def _may_be_asked(issuer: str, production: bool) -> bool:
    parts = urlsplit(issuer)
    if not parts.netloc or parts.query or parts.fragment or parts.username:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and not production and is_loopback(issuer))
