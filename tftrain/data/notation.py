"""The text of a table's cells: how numbers, dates and times are written in it, and their values.

Every conversion of text is here, whatever file or frame the text came from: a row must give the
same numbers as CSV, as Parquet and as a DataFrame.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["numeric", "boolean", "date", "time", "text"]

MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan", "NaT", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND"),
)
"""Texts that stand for a missing number, date or time. A missing text is the empty one alone."""

STRAYS = 0.2
"""Most of a column's values, as a share, that may be strays among all others."""

SAMPLE = 1000
"""Texts that a reading must fit before all are tried."""

EXAMPLES = 50
"""Distinct texts that suggest readings."""

CURRENCIES = (
    *("EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "RUB", "UAH", "TRY", "BRL", "MXN", "ZAR", "KRW", "SGD", "HKD", "ILS"),
    *("A$", "C$", "HK$", "NZ$", "R$", "S$", "US$", "kr", "zł", "Kč", "Ft", "Fr.", "Rs", "Rs."),
    *"$€£¥₹₽₩₺₫₴₦₪฿¢",
)
SHARES = ("%", "‰")
UNITS = (*SHARES, *sorted(CURRENCIES, key=len, reverse=True))
"""Signs before or behind a number that leave it the number that is written: 12% is 12."""

UNIT = "|".join(map(re.escape, UNITS))

THOUSANDS = (",", ".", "'", "\u2019", " ", "\u00a0", "\u202f", "_")

DATES = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%m/%Y", "%m-%Y"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %y", "%d%b%Y", "%d. %B %Y"),
    *("%d/%b/%Y", "%a, %d %b %Y", "%a %d %b %Y", "%A, %d %B %Y", "%A, %B %d, %Y"),
    *("%d %b, %Y", "%d %B, %Y", "%d. %b %Y", "%d-%B-%Y", "%Y-%b-%d", "%Y %b %d", "%Y/%b/%d"),
    *("%b %d, %Y", "%B %d, %Y", "%b. %d, %Y", "%b %d %Y", "%B %d %Y", "%b-%d-%Y", "%b/%d/%Y"),
    *("%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%b %y", "%B %y"),
)
"""Forms of a date besides ISO 8601. With dots the day comes first wherever dots are used."""

CLOCKS = tuple(
    "".join(parts)
    for parts in product(
        (" ", "T", ", ", ":"),
        ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p"),
        ("", "%z", " %z"),
    )
)
"""Forms of the time after a date."""

DATE_LIKE = re.compile(
    r"[A-Za-z]{3,9}[.,]? +\w+|"
    r"\d{1,4}[-/. ]+\w+[-/., ]+\d|\d{1,4}[-/]\d{1,4}|\d{1,2}[A-Za-z]{3}\d{4}|[A-Za-z]{3,9}[- ]+\d"
)
SUGGESTIVE = re.compile(
    rf"^\W*(?:{UNIT})?\W*\d|^\s*(?:true|false)\s*$|{DATE_LIKE.pattern}", re.IGNORECASE
)
"""Texts without which a column is nothing but text."""

ISO_DATE = (
    r"^\d{4}(?:-\d{1,2}(?:-\d{1,2})?|/\d{1,2}(?:/\d{1,2})?|\.\d{1,2}\.\d{1,2})"
    r"(?:[T ]+\d{1,2}(?::\d{2}){1,2}(?:[.,]\d+)?\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"
)
ZONE = r":\d{2}.*(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"
UTC = r"(\d{2}(?:[.,]\d+)?(?: ?[AaPp][Mm])?)\s*(?i:UTC|GMT)$"
"""The end of a time whose zone is written out. It is replaced by `Z`."""

CLOCK = (
    r"^(?P<sign>-)?(?:(?P<days>\d{1,5}) days?,? \+?)?(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d)"
    r"(?::(?P<seconds>[0-5]\d)(?:[.,](?P<fraction>\d{1,9})\d*)?)?\s*(?:(?P<half>[AaPp])\.?[Mm]\.?)?$"
)
"""A time of day, or a duration as pandas writes it. Days may be negative, the clock never is."""


@dataclass(frozen=True)
class Notation:
    """How the text of one column is written.

    Attributes:
        missing: texts that stand for a missing value, besides those that always do. Those that are
            numbers stand for one in columns of numbers too.
        decimal: character in front of a number's fraction.
        thousands: character between groups of digits, or nothing.
        unit: sign of a currency or `%` that numbers carry, or nothing.
        date_format: form of a date in the letters of `strptime`; empty for ISO 8601.
        zone: whether times carry a time zone.
    """

    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    date_format: str = ""
    zone: bool = False

    def with_decimal(self, decimal: str) -> "Notation":
        """Return the notation with another decimal mark, which may have been that of thousands."""
        swapped = {",": ".", ".": ","}[decimal] if self.thousands == decimal else self.thousands
        return replace(self, decimal=decimal, thousands=swapped)

    @property
    def missing_numbers(self) -> tuple[float, ...]:
        """The numbers that stand for a missing value, such as -999."""
        marks = [mark for mark in self.missing if re.search(r"\d", mark)]
        if not marks:
            return ()
        written = replace(self, missing=(), unit="")
        values, unreadable = numbers(pd.Series(marks, dtype=object), written)
        return tuple(float(value) for value in values[~unreadable & ~np.isnan(values)])


@dataclass(frozen=True)
class Reading:
    """What a column of text can be read as.

    Attributes:
        kind: of the values.
        notation: of the text.
        strays: which texts do not fit, boolean, shape `(texts,)`.
    """

    kind: Kind
    notation: Notation
    strays: np.ndarray


def stripped(texts: pd.Series) -> pa.ChunkedArray:
    """Return texts without blanks around them; what is missing is null."""
    array = pa.chunked_array([pa.array(texts, pa.large_string(), from_pandas=True)])
    return pc.utf8_trim_whitespace(array)


def is_missing(
    texts: pa.ChunkedArray, notation: Notation, also: Sequence[str] = ("",)
) -> np.ndarray:
    """Return which texts stand for a missing value: `also`, and those that the notation names."""
    marks = pa.array([*also, *(mark.strip() for mark in notation.missing)], pa.large_string())
    return pc.or_kleene(pc.is_null(texts), pc.is_in(texts, marks)).to_numpy()


def strings(texts: pd.Series, notation: Notation) -> np.ndarray:
    """Return texts without blanks around them, and empty where missing; objects `(rows,)`."""
    plain = stripped(texts)
    return np.where(is_missing(plain, notation), "", plain.to_pandas().to_numpy(object))


def numbers(texts: pd.Series, notation: Notation) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers that texts stand for, and which texts are not numbers.

    Returns:
        float64 with NaN where missing, and boolean; both of shape `(rows,)`.
    """
    codes, words = pd.factorize(texts)
    if len(words) > EXAMPLES:
        return _numbers_of(texts, notation)
    values, wrong = _numbers_of_few(tuple(words), notation)  # as other columns may have, too
    return np.append(values, np.nan)[codes], np.append(wrong, False)[codes]


@functools.lru_cache(maxsize=1000)
def _numbers_of_few(words: tuple[str, ...], notation: Notation) -> tuple[np.ndarray, np.ndarray]:
    return _numbers_of(pd.Series(words, dtype=object), notation)


def _numbers_of(texts: pd.Series, notation: Notation) -> tuple[np.ndarray, np.ndarray]:
    plain = stripped(texts)
    missing = is_missing(plain, notation, MISSING)
    digits = _plain_digits(plain, notation)
    wrong = ~missing & pc.is_null(digits).to_numpy()
    values = pc.cast(pc.if_else(pa.array(missing | wrong), None, digits), pa.float64())
    found = values.to_numpy(zero_copy_only=False)
    if wrong.any():
        hexadecimal = wrong & _matches(plain, r"^0[xX][0-9a-fA-F]+$")  # as Arrow reads CSV files
        found[hexadecimal] = [
            int(one, 16) for one in plain.filter(pa.array(hexadecimal)).to_pylist()
        ]
        wrong &= ~hexadecimal
    return found, wrong


def _plain_digits(texts: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray:
    """Return numbers as `1234.5`; null for what is not a number in the notation."""
    texts = pc.replace_substring(texts, "\u2212", "-")
    texts = pc.replace_substring_regex(texts, r"^\((.*)\)$", r"-\1")  # as accountants write -5
    if notation.unit:
        unit = re.escape(notation.unit)
        bare = pc.replace_substring_regex(texts, rf"^([+-]?)\s*{unit}\s*", r"\1")
        bare = pc.replace_substring_regex(bare, rf"\s*{unit}$", "")
        if notation.unit in SHARES:  # 0.12 without the sign may be 12% or 0.12%
            bare = pc.if_else(pc.equal(bare, texts), pa.scalar(None, texts.type), bare)
        texts = bare
    well_formed = pc.match_substring_regex(texts, _number_pattern(notation), ignore_case=True)
    if notation.thousands:
        texts = pc.replace_substring(texts, notation.thousands, "")
    if notation.decimal != ".":
        texts = pc.replace_substring(texts, notation.decimal, ".")
    for word, digit in (("true", "1"), ("false", "0")):
        texts = pc.replace_substring_regex(texts, f"(?i)^{word}$", digit)
    return pc.if_else(well_formed, texts, pa.scalar(None, texts.type))


def _number_pattern(notation: Notation) -> str:
    point = re.escape(notation.decimal)
    plain = rf"(?:\d+{point}?\d*|{point}\d+)(?:e[+-]?\d+)?|inf|infinity"
    if notation.thousands:
        mark = re.escape(notation.thousands)
        plain += rf"|[1-9]\d{{0,2}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}(?:{point}\d*)?"  # 1,00,000 too
    return rf"^(?:[+-]?(?:{plain})|true|false)$"


def moments(texts: pd.Series, notation: Notation) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """Return the moments that texts stand for.

    Returns:
        Moments in UTC, NaT where missing; which texts are not dates in the notation or ISO 8601;
        and which carry a time zone. All of shape `(rows,)`.
    """
    plain = pc.replace_substring_regex(stripped(texts), UTC, r"\1Z")
    if is_compact(notation.date_format):  # pandas writes 20200131.0 where others are missing
        plain = pc.replace_substring_regex(plain, r"^(\d+)\.0*$", r"\1")
    missing = is_missing(plain, notation, MISSING)
    zoned = ~missing & _matches(plain, ZONE)
    words = plain.to_pandas().where(~missing)
    values = pd.Series(pd.NaT, words.index, dtype="datetime64[us, UTC]")
    if notation.date_format:
        values = _parsed(words, notation.date_format)
    left = values.isna().to_numpy() & ~missing & _matches(plain, ISO_DATE)
    if left.any() and not re.match(r"%Y[-/.]", notation.date_format):
        values = values.where(~left, _parsed(words.where(left), "ISO8601"))
    return values, ~missing & values.isna().to_numpy(), zoned


def is_compact(date_format: str) -> bool:
    """Return whether dates have a form without separators, as 20200131 has."""
    return bool(re.fullmatch(r"(?:%[YymdHMSj])+", date_format))


def _matches(texts: pa.ChunkedArray, pattern: str) -> np.ndarray:
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy()


def _parsed(words: pd.Series, form: str) -> pd.Series:
    """Return moments in UTC, NaT for what is not in the form."""
    found = pd.to_datetime(words, format=form, errors="coerce", utc=True)
    return found.astype("datetime64[us, UTC]")


def durations(texts: pd.Series, notation: Notation) -> tuple[np.ndarray, np.ndarray]:
    """Return times of day and durations as nanoseconds, and which texts are neither.

    Returns:
        int64, with the smallest number where missing, and boolean; both of shape `(rows,)`.
    """
    plain = stripped(texts)
    missing = is_missing(plain, notation, MISSING)
    parts = plain.to_pandas().where(~missing).str.extract(CLOCK)
    wrong = ~missing & parts["hours"].isna().to_numpy()

    def number(name: str) -> np.ndarray:
        return parts[name].fillna("0").to_numpy(object).astype(np.int64)

    hours = number("hours")
    half = parts["half"].str.lower()
    hours = np.where(half.notna(), hours % 12 + 12 * (half == "p").to_numpy(bool), hours)
    fraction = parts["fraction"].fillna("").str.ljust(9, "0").to_numpy(object).astype(np.int64)
    clock = (hours * 3600 + number("minutes") * 60 + number("seconds")) * 10**9 + fraction
    days = number("days") * 86_400 * 10**9
    negative = parts["sign"].notna().to_numpy()
    with_days = parts["days"].notna().to_numpy()
    values = np.where(negative & with_days, clock - days, np.where(negative, -clock, clock + days))
    return np.where(missing | wrong, np.iinfo(np.int64).min, values), wrong


def reading_of(texts: pd.Series, notation: Notation, typed: bool = False) -> Reading | None:
    """Return what nearly all texts of a column can be read as, or None where that is text.

    Args:
        texts: of a column, missing ones included; shape `(rows,)`.
        notation: what is known of the column. A date format that it names is the only one tried.
        typed: whether numbers that are written plainly are meant to be text.

    Raises:
        AmbiguousDateError: dates can be read in two ways that give different days.
    """
    codes, words = pd.factorize(texts)
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    if len(words) <= EXAMPLES:  # as other columns may have, too
        found = _reading_of_few(tuple(words), tuple(counts.tolist()), notation, typed)
    else:
        found = _reading_of_words(pd.Series(words, dtype=object), counts, notation, typed)
    return found and replace(found, strays=np.append(found.strays, False)[codes])


@functools.lru_cache(maxsize=1000)
def _reading_of_few(
    words: tuple[str, ...], counts: tuple[int, ...], notation: Notation, typed: bool
) -> Reading | None:
    return _reading_of_words(pd.Series(words, dtype=object), np.array(counts), notation, typed)


def _reading_of_words(
    words: pd.Series, counts: np.ndarray, notation: Notation, typed: bool
) -> Reading | None:
    """Return what the different texts of a column can be read as; `counts` says how often each is.

    The strays are those among the words.
    """
    some = slice(None, None, max(1, len(words) // SAMPLE))  # the order may say what is missing
    if not any(SUGGESTIVE.search(word) for word in words.iloc[some]):
        return None  # most columns of text, in a hundredth of the time
    plain = stripped(words)
    present = ~is_missing(plain, notation, MISSING)
    distinct = plain.to_pandas()[present].drop_duplicates().iloc[some]
    examples = list(distinct.iloc[:: max(1, len(distinct) // EXAMPLES)])
    candidates = [*_candidates(examples, notation, typed)] if examples else []

    def share(strays: np.ndarray, part: slice) -> float:
        return float(counts[part] @ strays) / max(1, counts[part][present[part]].sum())

    if some.step > 1:
        head = [(c, _strays(words.iloc[some], *c)) for c in candidates]
        candidates = [c for c, odd in head if min(odd.mean(), share(odd, some)) <= STRAYS]
    found = [Reading(k, n, _strays(words, k, n)) for k, n in candidates]
    found = [one for one in found if share(one.strays, slice(None)) <= STRAYS]
    if not found:
        return None
    few = min(float(counts @ one.strays) for one in found)
    best = [one for one in found if counts @ one.strays == few]
    return best[0] if len(best) == 1 else _the_one(words, best)


def _the_one(texts: pd.Series, readings: Sequence[Reading]) -> Reading:
    """Return the first of several readings that fit equally well, unless they are two dates."""
    first, *others = [one for one in readings if one.kind == "date"] or [readings[0]]
    for other in others:
        forms = [first.notation.date_format, other.notation.date_format]
        days = [moments(texts, one.notation)[0] for one in (first, other)]
        if all(forms) and not days[0].equals(days[1]):
            raise AmbiguousDateError(*forms)
    return readings[0]


class AmbiguousDateError(Exception):
    """Dates fit two forms, such as day first and month first.

    Attributes:
        forms: the two, in the letters of `strptime`.
    """

    def __init__(self, *forms: str) -> None:
        self.forms = forms
        super().__init__(*forms)


def _strays(texts: pd.Series, kind: Kind, notation: Notation) -> np.ndarray:
    """Return which texts are not of a kind in a notation."""
    if kind == "date":
        return moments(texts, notation)[1]
    return (durations if kind == "time" else numbers)(texts, notation)[1]


def _candidates(
    examples: Sequence[str], notation: Notation, typed: bool
) -> Iterator[tuple[Kind, Notation]]:
    """Yield the readings that some texts suggest, the likelier first."""
    if any(re.search(r"\d", text) for text in examples):
        yield from (("numeric", found) for found in _number_notations(examples, notation, typed))
        if any(re.match(CLOCK, text) for text in examples):
            yield "time", notation
        yield from (("date", found) for found in _date_notations(examples, notation))
    if not typed and {text.lower() for text in examples} <= {"true", "false"}:
        yield "boolean", notation


def _number_notations(
    examples: Sequence[str], notation: Notation, typed: bool
) -> Iterator[Notation]:
    """Yield the ways in which numbers may be written, the table's own decimal mark first."""
    units = {found for text in examples for found in re.findall(UNIT, text)}
    marks = {mark for text in examples for mark in THOUSANDS if mark in text}
    in_brackets = any(text.startswith("(") for text in examples)
    decimals = dict.fromkeys((notation.decimal, *(mark for mark in ".," if mark in marks)))
    for unit, decimal, thousands in product(("", *sorted(units)), decimals, ("", *sorted(marks))):
        dressed = bool(unit or thousands or decimal != notation.decimal or in_brackets)
        if thousands != decimal and (dressed or not typed):
            yield replace(notation, unit=unit, decimal=decimal, thousands=thousands)


def _date_notations(examples: Sequence[str], notation: Notation) -> Iterator[Notation]:
    """Yield the forms of dates that at least one text has, ISO 8601 first."""
    if notation.date_format:
        yield notation
        return
    dates = [re.sub(UTC, r"\1Z", text) for text in examples if DATE_LIKE.search(text)]
    if any(re.match(ISO_DATE, text) for text in dates):
        yield notation
    found = dict.fromkeys(form for text in dates for form in _date_formats(text))
    yield from (replace(notation, date_format=form) for form in found)


@functools.lru_cache(maxsize=1000)
def _date_formats(text: str) -> tuple[str, ...]:
    """Return the forms that a date has, one for each order of its parts."""
    found = re.search(r"(?:[T :]|, )\d{1,2}:\d{2}.*", text, re.DOTALL)
    day, clock = (text[: found.start()], found.group()) if found else (text, "")
    clocks = [form for form in CLOCKS if _fits(clock, form)] if clock else [""]
    forms = [a + b for a in DATES if _fits(day, a) for b in clocks]
    return tuple({_order(form): form for form in reversed(forms)}.values())[::-1]


def _order(form: str) -> tuple[str, ...]:
    """Return the parts of a date in the order of a form; names of months may be short or long."""
    return tuple(re.findall("%[A-Za-z]", form.replace("%B", "%b").replace("%A", "%a")))


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True
