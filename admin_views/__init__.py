"""The staff's screens: one short file per noun, everything else derived (`base.py`)."""

from admin_views.site import init_app

__all__ = ["init_app"]
