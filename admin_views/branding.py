"""How the seller appears to customers: a form with a picture, and what of it where shows."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask_admin import BaseView, expose
from flask_admin.form import BaseForm
from wtforms import FileField, StringField
from wtforms.validators import InputRequired, Length, Optional

from admin_views.access import current_actor
from admin_views.base import ModelScreen, StaffView
from admin_views.fields import EmailField, FlagField
from admin_views.operations import refuse
from admin_views.registry import screen
from app.db import in_transaction
from app.errors import DomainError
from app.gateways.logos import MOST_BYTES
from app.models import Branding, BrandLogo
from app.services import branding

FIELDS = ("name", "accent", "support_email", "invoice_footer")


class BrandingForm(BaseForm):
    """What can be set; the service says what is wrong with a colour or a picture."""

    name = StringField(
        "Name", validators=[InputRequired(), Length(max=60)], description="In the portal and in mails."
    )
    accent = StringField(
        "Accent colour",
        validators=[InputRequired()],
        description="Of buttons and heads of tables, such as #1976d2. White text has to be readable on it.",
    )
    support_email = EmailField(
        "Support e-mail",
        validators=[Optional(), Length(max=254)],
        description="Customers read it in mails and in the portal.",
    )
    invoice_footer = StringField(
        "Line at the foot of documents",
        validators=[Optional(), Length(max=branding.LONGEST_FOOTER)],
        description="Of documents that are issued from now on; issued ones stay as they are.",
    )
    logo = FileField("Logo", description=f"A square PNG or SVG of at most {MOST_BYTES // 1000} kB.")
    without_logo = FlagField("Take the logo away")


class BrandingView(StaffView, BaseView):
    """The page at /admin/branding/."""

    resource = "settings"
    icon = "star"
    behind = True

    def __init__(self) -> None:
        super().__init__(name="Branding", category="Settings", endpoint="admin_brand", url="brand")

    @expose("/")
    def index(self) -> str:
        """Show what is set."""
        return self._page(BrandingForm(data=self._now()))

    @expose("/save/", methods=("POST",))
    def save(self) -> Any:
        """Set it."""
        form = BrandingForm(request.form)
        given = request.files.get("logo")
        content = given.read(MOST_BYTES + 1) if given else b""
        if form.validate() and self._attempt(form, content):
            flash("Saved. Customers see it within five minutes.", "success")
            return redirect(url_for("admin_brand.index"))
        return self._page(form), 422

    def _attempt(self, form: BrandingForm, content: bytes) -> bool:
        values = {name: form[name].data for name in FIELDS}
        without = bool(form.without_logo.data)
        try:
            in_transaction(
                lambda: branding.save(
                    values, logo=content or None, without_logo=without, actor=current_actor()
                )
            )
        except DomainError as error:
            refuse(form, error)
            return False
        return True

    def _now(self) -> dict[str, Any]:
        brand = branding.current()
        return {name: getattr(brand, name) for name in FIELDS}

    def _page(self, form: BrandingForm) -> str:
        return self.render("admin/branding.html", form=form, brand=branding.current())


@screen(Branding, category="Settings", title="Branding as stored", icon="star", listed=False)
class BrandingScreen(ModelScreen):
    """The one row, with its history."""

    column_list = ("name", "accent", "support_email", "invoice_footer", "updated_at")
    order = "-updated_at"


@screen(BrandLogo, category="Settings", title="Logos", icon="star", listed=False)
class BrandLogoScreen(ModelScreen):
    """Every picture that was a logo once: issued documents name them."""

    column_list = ("created_at", "content_type", "sha256")
    details = ("content_type", "sha256", "created_at", "id")
