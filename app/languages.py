"""The languages of the screens: which one a request is answered in, and the words of each.

The catalogues are the text files `translations/<language>/LC_MESSAGES/messages.po`. They are read when a
process first needs a language, so there is nothing to compile and no second file that could differ from the
first. Notifications and mails follow their reader; documents, exports, answers of the API and the audit trail
are English.
"""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, has_request_context, request
from flask_babel import Babel, Domain, get_locale
from flask_login import current_user

LANGUAGES = {"en": "English", "hi": "हिन्दी", "id": "Bahasa Indonesia", "ar": "العربية"}
ENGLISH = "en"
RIGHT_TO_LEFT = frozenset({"ar"})
# Whose way of writing numbers a reader gets. Without an entry each currency keeps its own (`app.formatting`).
NUMBER_LOCALES = {"hi": "hi_IN", "id": "id_ID"}
COOKIE = "language"
YEAR_SECONDS = 365 * 24 * 60 * 60
TRANSLATIONS = Path(__file__).resolve().parents[1] / "translations"
TONGUES = tuple(language for language in LANGUAGES if language != ENGLISH)


class Catalogues(Domain):
    """Flask-Babel's words from our own files."""

    def get_translations(self) -> NullTranslations:
        """Return the words of the language of this request."""
        locale = get_locale()
        return words_of(ENGLISH if locale is None else locale.language)


def init_app(app: Flask) -> None:
    """Let the templates of `app` translate: `_("…")`, `ngettext(…)`, `{{ text|translated }}`."""
    babel = Babel()
    babel.domain_instance = Catalogues()
    babel.init_app(app, locale_selector=chosen_language)
    app.jinja_env.filters["translated"] = translated


def file_of(language: str) -> Path:
    """Return where the catalogue of a language lies."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def read_catalogue(language: str) -> Catalog:
    """Return the catalogue of a language as its file has it.

    Raises:
        OSError: there is no such file.
        babel.messages.pofile.PoFileError: the file is damaged.
    """
    with file_of(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


@lru_cache(maxsize=len(LANGUAGES))
def words_of(language: str) -> NullTranslations:
    """Return the words of a language; English has those of the templates themselves."""
    if language not in TONGUES:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, read_catalogue(language))
    compiled.seek(0)
    return Translations(compiled)


def chosen_language() -> str:
    """Return the language of this request: the person's own choice, else that of the browser's cookie, else
    the first that the browser asks for (`Accept-Language`) and that there is, else English.
    """
    if not has_request_context():
        return ENGLISH
    own = getattr(current_user, "locale", None)
    for wanted in (own, request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return str(wanted)
    return request.accept_languages.best_match(LANGUAGES, ENGLISH)


def current_language() -> str:
    """Return the language of this request, worked out once; English where there is none."""
    locale = get_locale()
    return ENGLISH if locale is None else str(locale.language)


def number_locale() -> str | None:
    """Return the locale that numbers follow in this request, None where each currency keeps its own."""
    return NUMBER_LOCALES.get(current_language())


def translated(text: object) -> str:
    """Return a word of ours that is no literal of a template, such as a status; what no catalogue knows, such
    as a name, stays as it is.
    """
    words = str(text)
    return str(words_of(current_language()).gettext(words)) if words else ""


def direction_of(language: str) -> str:
    """Return `rtl` for languages written from right to left, else `ltr`."""
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"
