"""What a notification says, kept so that each reader has it in the own language.

The record is English: title, text and facts, as the API and the lists of the back office have them. Beside
the facts lie the same sentences with their arguments. What was told before there were such stays English.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.languages import ENGLISH
from app.models import Notification
from app.sentences import Argument, Sentence, as_sentence, from_json, inside, shown, to_json

Fact = tuple[Sentence, Argument]


@dataclass(frozen=True, slots=True)
class Told:
    """A notification in one language; `facts` are pairs of label and value."""

    language: str
    title: str
    text: str
    facts: list[tuple[str, str]]


def keep(title: Sentence | str, text: Sentence | str, facts: Sequence[Fact]) -> dict[str, Any]:
    """Return the columns of a notification that say it; a `str` is words that are not ours."""
    title, text = as_sentence(title), as_sentence(text)
    return {
        "title": str(title),
        "text": str(text),
        "kept": {
            "facts": [[str(label), shown(value, ENGLISH)] for label, value in facts],
            "said": {
                "title": to_json(title),
                "text": to_json(text),
                "facts": [[to_json(label), to_json(value)] for label, value in facts],
            },
        },
    }


def said_in(notification: Notification, language: str) -> Told:
    """Return what a notification says in a language; in English where it was kept in English alone."""
    kept: Any = notification.kept
    said = kept.get("said") if isinstance(kept, dict) else None
    if said is None:
        facts = [(label, value) for label, value in notification.facts]
        return Told(ENGLISH, notification.title, notification.text, facts)
    title, text = (shown(from_json(said[name]), language) for name in ("title", "text"))
    facts = [
        (shown(from_json(label), language), inside(from_json(value), language))
        for label, value in said["facts"]
    ]
    return Told(language, title, text, facts)
