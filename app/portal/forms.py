"""What forms of the portal share."""

from app.errors import DomainError


def problems_of(error: DomainError) -> dict[str, str]:
    """Return what a refusal says, by the name of the form's field; what is about no field is under ``."""
    found = {field.pointer.lstrip("/").partition("/")[0]: field.message for field in error.fields}
    return found or {"": error.message}
