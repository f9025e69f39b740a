"""The bytes of `app.domain.ledger.chain_hash`, put together by PostgreSQL: each function returns the SQL of
one field, whose value is the SQL `column`.
"""


def field(name: str) -> str:
    """Return the bytes literal that begins a field: the length of its name, and its name."""
    return f"'\\x{len(name).to_bytes(8, 'big').hex()}{name.encode().hex()}'::bytea"


def fixed(name: str, letter: str, column: str, length: int) -> str:
    """Return the bytes of a field whose value is ASCII, never null and always of the same length."""
    head = len(name).to_bytes(8, "big") + name.encode() + (length + 1).to_bytes(8, "big") + letter.encode()
    return f"'\\x{head.hex()}'::bytea || {column}::bytea"


def ascii_(name: str, letter: str, column: str) -> str:
    """Return the bytes of a field whose value is ASCII and never null."""
    return f"{field(name)} || int8send(length({column}) + 1) || '{letter}'::bytea || {column}::bytea"


def words(name: str, letter: str, column: str) -> str:
    """Return the bytes of a field whose value is any text, or null."""
    value = f"convert_to('{letter}' || {column}, 'UTF8')"
    null = f"'\\x{(1).to_bytes(8, 'big').hex()}'::bytea || 'n'::bytea"
    told = f"int8send(octet_length({value})) || {value}"
    return f"{field(name)} || CASE WHEN {column} IS NULL THEN {null} ELSE {told} END"


def binary(name: str, column: str) -> str:
    """Return the bytes of a field whose value is bytes, never null."""
    return f"{field(name)} || int8send(length({column}) + 1) || 'x'::bytea || {column}"


def instant(column: str) -> str:
    """Return an instant as text, 32 characters in UTC."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
