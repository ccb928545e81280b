"""How an unknown CSV file is written, as options of `read_csv`, found from its first megabytes."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tftrain.data.csv_text import BLANKS, CsvFormat, Header, Source, header_of, records
from tftrain.data.limits import MAX_COLUMNS
from tftrain.data.notation import UNIT, Notation, numbers
from tftrain.data.sample import end_of_records, pieces_of, text_of
from tftrain.data.sources.csv import DELIMITERS, arrow_table
from tftrain.errors import DataError

ENCODINGS = ("utf-8", "cp1252", "latin-1")
"""What a text may be in that begins with no mark, the likeliest first."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""First bytes that say the encoding."""

COMMENTS = ("#", "%", "//", "!")

TRIAL_LENGTH = 1 << 18
"""Characters in which the way a file is written shows; more where they hold few lines."""

TRIAL_LINES = 100

TRIAL_COLUMNS = 500
"""Columns that are looked at, at most."""

MISTAKES = 0.1
"""Fraction of rows with too many or too few values, or of values that are no numbers, that may be
mistakes."""

CURRENCY = f"(?:{UNIT})"

NUMBERS = (
    rf"^\s*[-+(]?\s*{CURRENCY}?\s*[-+]?[.,]?\d[\d.,' /:T\x{{a0}}\x{{202f}}-]*([eE][-+]?\d+)?"
    rf"\s*(%|Z|\)|{CURRENCY})?\s*$"
)
"""What a number, a date or a time looks like, in any way of writing."""

LEFT_OVER = r"""^('.*'|".*")$|\\["',;|\t]"""
"""Texts that still have their quotes, or escapes, around them."""


@dataclass(frozen=True)
class Trial:
    """What one way of reading makes of the beginning of a file.

    Attributes:
        form: the way.
        header: the columns.
        table: their values; of very many columns, of the first.
        ragged: rows with too many or too few values.
    """

    form: CsvFormat
    header: Header
    table: pa.Table
    ragged: int

    @property
    def rank(self) -> tuple[float, ...]:
        """Larger for the likelier way: first what reads as numbers, then as columns."""
        columns = self.table.columns
        texts = [column for column in columns if pa.types.is_string(column.type)]
        numbers = sum(not pa.types.is_null(column.type) for column in columns) - len(texts)
        numbers += sum(_share(column, NUMBERS) >= 1 - MISTAKES for column in texts)
        left_over = sum(_share(column, LEFT_OVER) > 0.05 for column in texts)
        clean = not self.ragged and not self.header.shifted
        share = numbers / max(1, len(columns))
        return (
            numbers - self.header.shifted,
            clean,
            -self.form.skip_rows,
            share,
            -left_over,
            len(self.header.names),
        )

    @property
    def is_clear(self) -> bool:
        """Whether a mark that is not a blank divides every line, the first included, alike."""
        several = len(self.header.names) > 1 and self.form.delimiter not in (BLANKS, " ")
        regular = not self.ragged and not self.header.shifted and not self.form.skip_rows
        return several and regular and self.table.num_rows > 0

    @property
    def is_table(self) -> bool:
        """Whether nearly all rows have as many values as there are columns."""
        rows = self.table.num_rows
        return self.ragged <= max(2, MISTAKES * (rows + self.ragged)) and self.ragged <= rows


def _share(column: pa.ChunkedArray, pattern: str) -> float:
    """Return the fraction of texts, without the empty ones, that a pattern fits."""
    texts = column.filter(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0))
    if not len(texts):
        return 0.0
    fits = pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0
    return float(fits / len(texts))


def find_dialect(file: str | Path, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return how a CSV file is written: the options of `read_csv` that are not the default.

    Args:
        file: the file; compressed or not.
        given: options that are known. They are among those that are returned.

    Raises:
        DataError: it cannot be read at all, or is of another format.
    """
    name, known = str(file), dict(given or {})
    pieces = pieces_of(name)
    encoding = known.get("encoding") or encoding_of(pieces.parts)
    text = text_of(name, pieces.parts[0], encoding).removeprefix("\ufeff")
    text = _beginning(text, pieces.whole)
    within = {key: value for key, value in known.items() if key != "encoding"}
    best = _best(text, within)
    if best is None:  # reading it will say what is wrong
        present = [mark for mark in DELIMITERS if mark in text] or [","]
        return {**_options(CsvFormat(delimiter=present[0])), **known} | _encoded(encoding)
    form = best.form
    if "decimal" not in known and form.delimiter != ",":
        form = _decimal(text, best)
    if "header" not in known and not _has_header(best):
        form = replace(form, header=False)
    return {**_options(form), **known} | _encoded(encoding)


def _encoded(encoding: str) -> dict[str, str]:
    return {} if encoding == "utf-8" else {"encoding": encoding}


def _options(form: CsvFormat) -> dict[str, Any]:
    """Return the options that differ from their defaults, but for the encoding."""
    plain = {field.name: field.default for field in fields(CsvFormat)}
    return {k: v for k, v in asdict(form).items() if v != plain[k] and k != "encoding"}


def encoding_of(parts: list[bytes]) -> str:
    """Return the encoding of a file.

    Args:
        parts: its beginning, and perhaps others of its parts.
    """
    sure = sure_encoding(parts[0])
    if sure:
        return sure
    whole = [parts[0], *(part[part.find(b"\n") + 1 :] for part in parts[1:])]
    return next(name for name in ENCODINGS if all(_decodes(part, name) for part in whole))


def sure_encoding(start: bytes) -> str | None:
    """Return the encoding of a file whose first bytes leave no doubt, or None.

    There is none where a mark says it, or every second byte is 0, or it is UTF-8 and not ASCII.
    """
    for mark, name in MARKS:
        if start.startswith(mark):
            return name
    even, odd = start[:1000:2].count(0), start[1:1000:2].count(0)
    if min(even, odd) * 10 < max(even, odd) > len(start[:1000]) // 4:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8" if not start.isascii() and _decodes(start, "utf-8") else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeError:
        return False
    return True


def _beginning(text: str, whole: bool) -> str:
    """Return the first records of a text, enough to try ways of reading it."""
    end = at = 0
    for _ in range(TRIAL_LINES):
        at = text.find("\n", at) + 1
        end = at or end
        if not at:
            break
    length = max(TRIAL_LENGTH, end)
    if length >= len(text) and whole:
        return text
    return text[: end_of_records(text[:length], '"')] or text[:TRIAL_LENGTH]


def _best(text: str, known: Mapping[str, Any]) -> Trial | None:
    """Return the best way of reading a text, or None where none makes a table of it."""
    trials = filter(None, (_tried(text, form) for form in _candidates(text, known)))
    tables = [trial for trial in trials if trial.is_table]
    if any(trial.is_clear for trial in tables):  # then blanks belong to texts and dates
        tables = [trial for trial in tables if trial.form.delimiter not in (BLANKS, " ")]
    return max(tables, key=lambda trial: trial.rank, default=None)  # of equals the first


def _candidates(text: str, known: Mapping[str, Any]) -> Iterator[CsvFormat]:
    """Yield ways in which a text may be written, the most usual first."""
    said = re.match(r'"?sep=(.)"?[ \t]*\r?\n', text)
    ways: dict[str, list[Any]] = {
        "comment": [None, *(m for m in COMMENTS if re.search(rf"(?m)^[ \t]*{m}", text))],
        "quote": ['"', *_quotes(text)],
        "escape": [None, *(["\\"] if re.search(r"""\\["',;|\t]""", text) else [])],
        "delimiter": [said.group(1)] if said else _delimiters(text),
    }
    ways |= {key: [known[key]] for key in ways if key in known}
    first_line = text[: text.find("\n") + 1] or text
    others = {key: value for key, value in known.items() if key not in ways}
    for comment in ways["comment"]:
        for quote in ways["quote"]:
            for escape in ways["escape"]:
                for mark in ways["delimiter"]:
                    if first_line.count(" " if mark == BLANKS else mark) > MAX_COLUMNS:
                        continue
                    form = CsvFormat(delimiter=mark, quote=quote, escape=escape, comment=comment)
                    form = replace(form, **others)
                    if "skip_rows" not in known:
                        skip = int(said is not None) or _lines_above(text, form)
                        form = replace(form, skip_rows=skip)
                    yield form


def _quotes(text: str) -> Iterator[str | None]:
    """Yield marks around values besides the usual one, if values look as if they had them."""
    if re.search(r"(?m)(^|[,;\t| ])'[^'\n]*'($|[,;\t| \r])", text):
        yield "'"
    if text.count('"') % 2:
        yield None


def _delimiters(text: str) -> list[str]:
    """Return the delimiters that stand in a text, the most usual first."""
    blanks = re.search(r"(?m)[ \t]{2}|^[ \t]|[ \t]\r?$", text)
    usual = [mark for mark in (*DELIMITERS, " ") if mark in text or mark == ","]
    return [*usual, *([BLANKS] if blanks else []), *_unusual_delimiters(text)]


def _unusual_delimiters(text: str) -> list[str]:
    """Return marks such as `~` that every line, the first included, has equally often."""
    lines = [line for line in text.splitlines()[:TRIAL_LINES] if line.strip()][:-1]
    if len(lines) < 2 or any(mark in lines[0] for mark in DELIMITERS):
        return []
    marks = dict.fromkeys(re.findall(r"[^\w\s.+\-'\"]", lines[0]))
    return [mark for mark in marks if len({line.count(mark) for line in lines}) == 1]


def _lines_above(text: str, form: CsvFormat) -> int:
    """Return how many lines of prose stand above a table: then rows of its width begin."""
    try:
        found = list(islice(records(Source("", text.encode()), form), TRIAL_LINES))
    except (csv.Error, UnicodeError, DataError):
        return 0
    rows = [(line, row) for line, row in found if row]
    for i, (line, row) in enumerate(rows[:-1]):
        if _is_title(row, rows[i + 1][1]):
            rows[i] = line, row[:1]
    widths = Counter(len(row) for _, row in rows if len(row) > 1)
    if not widths or widths.most_common(1)[0][1] < 3:
        return 0
    width = widths.most_common(1)[0][0]
    first = next(i for i, (_, row) in enumerate(rows) if len(row) == width)
    if first == 1 and len(rows[0][1]) == width - 1:  # a name is missing, if these are names
        data = [any(re.match(PYTHON_NUMBERS, cell) for cell in row) for _, row in rows[:2]]
        if data == [False, True]:
            return 0
    return rows[first - 1][0] if first else 0


def _is_title(row: list[str], below: list[str]) -> bool:
    """Return whether a spreadsheet wrote a line of prose, or an empty one, as wide as its table.

    Such a line is above the header, never above the first row.
    """
    alone = len(row) > 2 and not any(cell.strip() for cell in row[1:])
    return alone and not any(re.match(PYTHON_NUMBERS, cell) for cell in below)


def _tried(text: str, form: CsvFormat) -> Trial | None:
    """Return what a way of reading makes of a text, or None where it makes nothing of it."""
    source = Source("", text.encode())
    ragged: list[int] = []

    def count(row: Any) -> str:
        ragged.append(row.actual_columns)
        return "skip"

    try:
        header = header_of(source, form)
        if not header.rows:
            table = pa.table([pa.nulls(0)] * len(header.names), names=header.names)
        else:
            wide = len(header.names) > TRIAL_COLUMNS
            only = header.names[:TRIAL_COLUMNS] if wide else None
            table = arrow_table(source, form, header, 1 << 30, ragged=count, only=only)
        table.column_names  # noqa: B018 - they may be no text
    except (pa.ArrowException, UnicodeError, csv.Error, DataError):
        return None
    if len(header.names) < 1 or any(pa.types.is_binary(kind) for kind in table.schema.types):
        return None
    return Trial(form, header, table, len(ragged))


def _decimal(text: str, best: Trial) -> CsvFormat:
    """Return the way of reading with a decimal comma if that makes more columns numeric."""
    other = _tried(text, replace(best.form, decimal=","))
    return other.form if other and _numbers(other) > _numbers(best) else best.form


def _numbers(trial: Trial) -> float:
    """Return how many columns are numbers; of a column with other texts, the share that is."""
    return sum(_share_of_numbers(column, trial.form.decimal) for column in trial.table.columns)


def _share_of_numbers(column: pa.ChunkedArray, decimal: str) -> float:
    if not pa.types.is_string(column.type):
        return float(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))
    thousands = "." if decimal == "," else ","
    values, _ = numbers(column.to_pandas(), Notation(decimal=decimal, thousands=thousands))
    return float(np.mean(~np.isnan(values)))


def _has_header(trial: Trial) -> bool:
    """Return whether the first line names the columns: it does unless it looks like the others.

    That is where all columns of numbers have one in the first line, too. But names may count, as
    years do, or the columns of a table that had no names.
    """
    table = trial.table
    names = [
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if not pa.types.is_null(column.type)
        and (not pa.types.is_string(column.type) or _share(column, NUMBERS) >= 1 - MISTAKES)
    ]
    if not names or not table.num_rows or not all(re.match(PYTHON_NUMBERS, n) for n in names):
        return True
    whole = [int(name) for name in names if name.isdecimal()]
    counts = len(whole) == len(names) > 1
    return counts and all(b - a == 1 for a, b in pairwise(whole))


PYTHON_NUMBERS = NUMBERS.replace(r"\x{a0}\x{202f}", "\u00a0\u202f")
