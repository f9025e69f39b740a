"""Rows into files: CSV and XLSX, a row at a time, so that the memory is the same for ten rows and a million.

A text that a spreadsheet would take for a formula is made a text: in CSV by an apostrophe before it, in XLSX
because the cell says so.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.domain.money import plain
from app.lazy import Lazy

# Loaded by the workers that write such a file.
xlsxwriter = Lazy("xlsxwriter")

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# A sheet ends at 2^20 rows.
ROWS_OF_A_SHEET = 1_000_000
# What a cell of a spreadsheet holds, and the digits of a number that it keeps.
LONGEST_CELL = 32_767
EXACT_DIGITS = 15

Row = Sequence[Any]


def write_csv(path: Path, headings: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV file in UTF-8, with the mark by which spreadsheets know it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headings)
        writer.writerows([safe(value) for value in row] for row in rows)


def write_xlsx(path: Path, headings: Sequence[str], rows: Iterable[Row]) -> None:
    """Write an XLSX file; after a million rows a further sheet begins."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "tmpdir": str(path.parent),
    }
    book = xlsxwriter.Workbook(str(path), options)
    head, sheet, at = book.add_format({"bold": True}), None, 0
    for row in _or_none(rows):
        if sheet is None or at == ROWS_OF_A_SHEET:
            sheet = book.add_worksheet()
            sheet.freeze_panes(1, 0)
            sheet.write_row(0, 0, headings, head)
            at = 0
        if row is not None:
            at += 1
            _write_cells(sheet, at, row)
    book.close()


def text_of(value: Any) -> str:
    """Return a value as a cell says it: decimals plain, instants in UTC."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def safe(value: Any) -> str:
    """Return a value as the text of a CSV cell that no spreadsheet takes for a formula."""
    text = text_of(value)
    is_number = isinstance(value, Decimal | int)
    return f"'{text}" if text.startswith(FORMULA) and not is_number else text


def _write_cells(sheet: Any, at: int, row: Row) -> None:
    for column, value in enumerate(row):
        if isinstance(value, Decimal | int) and _is_exact(value):
            sheet.write_number(at, column, value)
        elif value is not None:
            sheet.write_string(at, column, text_of(value)[:LONGEST_CELL])


def _is_exact(value: Decimal | int) -> bool:
    return len(Decimal(value).as_tuple().digits) <= EXACT_DIGITS


def _or_none(rows: Iterable[Row]) -> Iterator[Row | None]:
    """Yield None first, so that a file without rows has its headings."""
    yield None
    yield from rows
