"""Settings: one frozen value read from the environment, every problem told at once.

`make run` writes where its PostgreSQL and Redis listen to `DATA/services.json`; a command started beside it
finds them there when `DATABASE_URL` and `REDIS_URL` are not set.
"""

import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from flask import current_app

from app.domain.buckets import read_limits
from app.sign_in_settings import SignInSettings, is_loopback, problems_of

MASTER_KEY = re.compile(r"[0-9a-fA-F]{64}")
PART = re.compile(r"1|0(\.[0-9]{1,4})?")
DAY = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
MINUTES = re.compile(r"[1-9][0-9]{0,5}")
LOG_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
# What a whole number may be: beyond, the database, the pool or a date would fail later and less plainly.
RANGES = {
    "proxy_hops": (0, 10),
    "database_pool_size": (1, 500),
    "database_pool_timeout_seconds": (1, 60),
    "statement_timeout_ms": (0, 3_600_000),
    "event_max_age_days": (1, 36_500),
    "event_max_ahead_seconds": (0, 86_400),
    "event_retention_months": (1, 1_200),
    "billing_grace_hours": (0, 720),
    "billing_day": (0, 28),
    "billing_lanes": (1, 32),
    "park_above_mean_times": (1, 1_000_000),
    "approval_days": (1, 3_650),
    "export_days": (1, 3_650),
}
WEAK_SECRETS = {"", "dev", "secret", "changeme", "change-me"}
DAYS = re.compile(r"-?[0-9]{1,3}")
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class BadSettings(ValueError):
    """The environment cannot be used; the message lists every problem, one a line."""


@dataclass(frozen=True, slots=True)
class Settings(SignInSettings):
    """Everything that differs between two installations. `.env.example` has a line for each."""

    environment: str = "development"
    database_url: str = ""
    owner_database_url: str = ""
    redis_url: str = ""
    secret_key: str = ""
    data_dir: Path = Path("var")
    public_url: str = "http://127.0.0.1:8000"
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = 0
    rate_limits: str = ""
    cors_origins: tuple[str, ...] = ()
    log_level: str = "INFO"
    database_pool_size: int = 8
    database_pool_timeout_seconds: int = 2
    statement_timeout_ms: int = 30_000
    event_max_age_days: int = 35
    event_max_ahead_seconds: int = 300
    event_retention_months: int = 12
    billing_grace_hours: int = 0
    billing_day: int = 1
    billing_lanes: int = 2
    park_above_mean_times: int = 10
    dunning_days: tuple[str, ...] = ("-3", "0", "7", "14", "30")
    dunning_suspends: bool = False
    advances_taxed: bool = True
    registration_choice: str = "default"
    accept_test_gstins: bool = False
    einvoice_provider: str = ""
    einvoice_from: str = ""
    einvoice_turnover: int = 0
    einvoice_above: int = 50_000_000
    approval_days: int = 7
    low_balance_levels: tuple[str, ...] = ("1", "0.5", "0")
    auto_top_up_retry_minutes: tuple[str, ...] = ("15", "60", "360", "1440")
    key_service: str = "local"
    master_key: tuple[str, ...] = ()
    kms_key_id: str = ""
    kms_endpoint_url: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_jwks_url: str = ""
    stripe_secret_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_api_url: str = ""
    razorpay_key_id: str = ""
    razorpay_key_secret: str = ""
    razorpay_webhook_secret: str = ""
    razorpay_api_url: str = ""
    sandbox_url: str = ""
    sandbox_public_url: str = ""
    s3_endpoint_url: str = ""
    s3_bucket: str = ""
    s3_access_key_id: str = ""
    s3_secret_access_key: str = ""
    s3_object_lock: bool = False
    export_days: int = 30
    smtp_url: str = ""
    ses_region: str = ""
    ses_endpoint_url: str = ""
    mail_from: str = "OTPless Billing <billing@otpless.example>"
    upi_id: str = ""

    @property
    def production(self) -> bool:
        """True where real money is at stake: weak values are refused."""
        return self.environment == "production"

    @property
    def files_dir(self) -> Path:
        """Where the directory file store keeps documents."""
        return self.data_dir / "files"

    @property
    def mail_dir(self) -> Path:
        """Where mails are written as .eml when no SMTP server is set."""
        return self.data_dir / "mail"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from the environment and from the running embedded services.

        Raises:
            BadSettings: with every problem found, one a line.
        """
        source = dict(os.environ if environ is None else environ)
        data_dir = Path(source.get("DATA_DIR") or source.get("DATA") or "var")
        source = {**_embedded_services(data_dir), **{k: v for k, v in source.items() if v != ""}}
        source["DATA_DIR"] = str(data_dir)
        problems: list[str] = []
        values: dict[str, Any] = {}
        for field in fields(cls):
            name = field.name.upper()
            if name in source:
                read = _READERS[type(field.default)]
                try:
                    values[field.name] = read(source[name])
                except ValueError as error:
                    problems.append(f"{name}={source[name]!r}: {error}")
        settings = cls(**values)
        problems += settings._problems()
        if problems:
            raise BadSettings("The settings cannot be used:\n  " + "\n  ".join(problems))
        return settings

    def _problems(self) -> list[str]:
        problems = []
        if not self.database_url:
            problems.append(
                "DATABASE_URL is not set and no `make run` is going: set it, or start `make run`."
            )
        problems += self._problems_of_the_edge()
        if self.environment not in {"development", "test", "production"}:
            problems.append(f"ENVIRONMENT={self.environment!r}: choose development, test or production.")
        if self.secret_key in WEAK_SECRETS:
            problems.append(
                f"SECRET_KEY is not set: set it to 32 random bytes, for instance {secrets.token_hex(32)}"
            )
        if self.log_level not in LOG_LEVELS:
            problems.append(f"LOG_LEVEL={self.log_level!r}: choose DEBUG, INFO, WARNING or ERROR.")
        problems += [
            f"{name.upper()} must be from {least} to {most}."
            for name, (least, most) in RANGES.items()
            if not least <= getattr(self, name) <= most
        ]
        if self.registration_choice not in {"default", "same_state_first"}:
            problems.append(
                f"REGISTRATION_CHOICE={self.registration_choice!r}: choose default or same_state_first."
            )
        problems += problems_of(self, self.public_url, production=self.production)
        problems += self._problems_of_callers()
        problems += self._problems_of_wallets()
        problems += self._problems_of_einvoices()
        if self.production:
            if len(self.secret_key) < 32:
                problems.append("SECRET_KEY is shorter than 32 characters.")
            if self.accept_test_gstins:
                problems.append("ACCEPT_TEST_GSTINS must not be on in production.")
            if not self.public_url.startswith("https://"):
                problems.append("PUBLIC_URL must start with https:// in production.")
            if not self.trusted_hosts:
                problems.append(
                    "TRUSTED_HOSTS is not set: name the hosts that this installation answers for."
                )
        return problems

    def _problems_of_wallets(self) -> list[str]:
        problems = []
        if not self.dunning_days or not all(DAYS.fullmatch(each) for each in self.dunning_days):
            problems.append("DUNNING_DAYS: write days after the due day, such as -3,0,7,14,30.")
        if not all(PART.fullmatch(part) for part in self.low_balance_levels):
            problems.append("LOW_BALANCE_LEVELS: write parts of the threshold from 0 to 1, such as 1,0.5,0.")
        if not all(MINUTES.fullmatch(pause) for pause in self.auto_top_up_retry_minutes):
            problems.append("AUTO_TOP_UP_RETRY_MINUTES: write whole minutes, such as 15,60,360,1440.")
        return problems

    def _problems_of_einvoices(self) -> list[str]:
        problems = []
        if bool(self.einvoice_provider) != bool(self.einvoice_from):
            problems.append("EINVOICE_PROVIDER and EINVOICE_FROM go together: set both or none.")
        if self.einvoice_from and not DAY.fullmatch(self.einvoice_from):
            problems.append("EINVOICE_FROM: write a day, such as 2026-04-01.")
        if self.production and self.einvoice_provider == "sandbox":
            problems.append("EINVOICE_PROVIDER=sandbox must not be set in production: it registers nothing.")
        return problems

    def _problems_of_callers(self) -> list[str]:
        problems = []
        if self.key_service not in {"local", "kms"}:
            problems.append(f"KEY_SERVICE={self.key_service!r}: choose local or kms.")
        if self.key_service == "kms" and not self.kms_key_id:
            problems.append("KMS_KEY_ID is not set: KEY_SERVICE=kms needs the id of its key.")
        if not all(MASTER_KEY.fullmatch(key) for key in self.master_key):
            problems.append("MASTER_KEY: write each key as 64 hexadecimal digits, the newest first.")
        if self.jwt_jwks_url and not (self.jwt_issuer and self.jwt_audience):
            problems.append("JWT_ISSUER and JWT_AUDIENCE are needed where JWT_JWKS_URL is set.")
        if self.production and self.jwt_jwks_url and not self.jwt_jwks_url.startswith("https://"):
            problems.append("JWT_JWKS_URL must start with https:// in production.")
        return problems

    def _problems_of_the_edge(self) -> list[str]:
        problems = []
        try:
            read_limits(self.rate_limits)
        except ValueError as error:
            problems.append(f"RATE_LIMITS: {error}.")
        problems += [
            f"CORS_ORIGINS: {origin!r} is no origin; write https://app.example.com."
            for origin in self.cors_origins
            if not ORIGIN.fullmatch(origin)
        ]
        return problems

    @property
    def on_loopback(self) -> bool:
        """True when the public address is this machine only."""
        return is_loopback(self.public_url)


def current_settings() -> Settings:
    """Return the settings of the running application.

    Raises:
        RuntimeError: outside an application context.
    """
    settings: Settings = current_app.extensions["settings"]
    return settings


def _embedded_services(data_dir: Path) -> dict[str, str]:
    try:
        found = json.loads((data_dir / "services.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: str(value) for key, value in found.items() if key.isupper()}


def _read_bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("write true or false")


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("write a whole number") from None


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_READERS: dict[type, Callable[[str], Any]] = {
    bool: _read_bool,
    int: _read_int,
    str: str,
    tuple: _read_list,
    type(Path()): Path,
}
