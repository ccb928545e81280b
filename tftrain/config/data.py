"""Config of the data: where rows come from, which columns matter, how they become numbers."""

import codecs
import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tftrain.config.base import (
    BY_KIND,
    BelowOne,
    Change,
    Count,
    Fraction,
    Names,
    PathText,
    Section,
    Short,
    Whole,
    or_one,
)
from tftrain.errors import excerpt

NOT_OF_FILES = ("idna", "punycode", "unicode_escape", "raw_unicode_escape")
"""Encodings of names and of program text; some take forever to read a file."""


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses codecs that do not encode text, such as zip
        if codecs.lookup(name).name.replace("-", "_") in NOT_OF_FILES:
            raise LookupError
    except (LookupError, ValueError, OSError):
        raise ValueError(
            f"unknown encoding {excerpt(name)}; common ones: utf-8, latin-1, cp1252"
        ) from None
    return name


def _delimiter(mark: str) -> str:
    mark = "\t" if mark == r"\t" else mark  # as it is written without quotes
    if mark != "blanks" and (mark in '\0\r\n"' or len(mark) != 1 or not mark.isascii()):
        raise ValueError(
            f"{mark!r} cannot stand between two columns: expected one character such as , or ; "
            "or the word blanks"
        )
    return mark


def _one_mark(mark: str | None) -> str | None:
    if mark is not None and (len(mark) != 1 or mark in "\0\r\n" or not mark.isascii()):
        raise ValueError(f"{mark!r} is not one ASCII character; null stands for none")
    return mark


def _start_of_line(mark: str | None) -> str | None:
    if mark is not None and not (mark.isprintable() and mark == mark.strip() and mark):
        raise ValueError(f"{mark!r} cannot begin a comment: expected characters such as #")
    return mark


def _as_written(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


OneMark = Annotated[str | None, AfterValidator(_one_mark)]
Mark = Annotated[str, BeforeValidator(_as_written, json_schema_input_type=str | float)]


def _date_format(form: str) -> str:
    moment = datetime(2018, 3, 14, 15, 9, 26)
    try:
        found = datetime.strptime(moment.strftime(form), form)
    except ValueError:
        found = None
    if found is None or found.year != moment.year:
        raise ValueError(
            f"{excerpt(form)} is not the form of a date; write it like %d/%m/%Y or "
            "%Y-%m-%d %H:%M:%S"
        )
    return form


DateFormat = Annotated[str, AfterValidator(_date_format)]


class Written(Section):
    """How the cells of a table are written, where they are text."""

    decimal: Literal[".", ","] = "."
    """Character in front of a number's fraction."""
    missing_values: Annotated[list[Mark], or_one(str | float | list[str | float])] = Field(
        default=[]
    )
    """Texts that stand for a missing value, such as `"?"` or -999. An empty cell always does; NA,
    NaN, NULL and the like do so in columns of numbers, dates and times."""
    date_format: DateFormat | dict[str, DateFormat] | None = None
    """Form of the dates, such as `%d/%m/%Y`, or one for each column: `{sold: "%d/%m/%Y"}`. By
    default it is found in the values, unless day and month could be either way round."""


class CsvSource(Written):
    """Text tables."""

    kind: Literal["csv"]
    path: Annotated[PathText, Change.FREE]
    """File or glob pattern; gzip, bzip2, zstd and lz4 are decompressed. A relative path starts at
    the config file's folder."""
    delimiter: Annotated[str, AfterValidator(_delimiter)] = ","
    """Character between two columns, or `blanks` for any number of blanks and tabs."""
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Character encoding of the file."""
    quote: OneMark = '"'
    """Character around a text that holds delimiters or line ends; doubled, it stands for itself.
    null: none."""
    escape: OneMark = None
    """Character in front of a quote or a delimiter that belongs to a text, such as a backslash."""
    comment: Annotated[str | None, Field(max_length=10), AfterValidator(_start_of_line)] = None
    """Text with which lines begin that are not rows, such as `"#"`."""
    header: bool = True
    """Whether the first line names the columns; else they are column_1, column_2 and so on."""
    skip_rows: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    """Lines above the header that are left out."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        marks = [self.delimiter, self.quote, self.escape]
        given = [mark for mark in marks if mark is not None]
        if len(set(given)) < len(given):
            raise ValueError("delimiter, quote and escape must be different characters")
        return self


class ParquetSource(Written):
    """Parquet tables."""

    kind: Literal["parquet"]
    path: Annotated[PathText, Change.FREE]
    """File or glob pattern. A relative path starts at the config file's folder."""


class SklearnSource(Section):
    """A table that comes inside scikit-learn."""

    kind: Literal["sklearn"]
    dataset: str = "diabetes"
    """diabetes (442 patients), digits (1,797 images; the digit as `digit` and as ten columns
    `is_0` to `is_9`) or linnerud (20 men, three targets)."""


class FrameSource(Written):
    """A pandas DataFrame handed over in Python: `tftrain.train(config, data=frame)`."""

    kind: Literal["dataframe"]


Source = Annotated[CsvSource | ParquetSource | SklearnSource | FrameSource, BY_KIND, Short()]


class Features(Section):
    """All columns but the target, the weight, the split column and these."""

    exclude: Names = Field(default=[])
    """Column names or patterns such as `split_*`."""


class Fractions(Section):
    """The size of each part."""

    train: Fraction = 0.7
    """Fraction of the rows that the network is trained on; the earliest of an ordered split."""
    validation: Fraction = 0.15
    """Fraction for early stopping."""
    test: Fraction = 0.15
    """Fraction that nothing but the final metrics sees; the latest of an ordered split."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"train, validation and test must add up to 1, not {total:g}")
        if self.train == 0:
            raise ValueError("train must be above 0")
        return self


class FractionSplit(Fractions):
    """A random split: a pure function of the seed."""

    kind: Literal["fractions"]


class ColumnSplit(Section):
    """A column that says train, validation or test on every row."""

    kind: Literal["column"]
    column: str
    """Name of the column; it is never a feature."""
    validation: BelowOne = 0.15
    """Fraction of the train rows used for validation where the column has no validation rows."""


class OrderedSplit(Fractions):
    """For time series: the first rows by a column train, the last ones test."""

    kind: Literal["ordered"]
    by: str
    """Column to order by, numbers or dates; a feature only where `features` lists it."""


Split = Annotated[FractionSplit | ColumnSplit | OrderedSplit, BY_KIND, Short("fractions")]


class Preprocess(Section):
    """How columns become numbers; fitted on the training rows only."""

    numeric: Literal["standard", "robust", "minmax", "none"] = "standard"
    """standard: mean 0, deviation 1. robust: median 0, interquartile range 1. minmax: 0 to 1. none:
    as they are, except that dates are standard all the same."""
    missing: Literal["mean", "median", "error"] = "mean"
    """What stands for a missing number (an indicator column marks it), or error."""
    categorical: Names = Field(default=[])
    """Columns of numbers that are really categories, one-hot encoded like text."""
    max_categories: Count = 50
    """Most categories of one column that get a column of their own; the rest share one."""
    target: Literal["standard", "robust", "minmax", "none"] = "standard"
    """Scaling of the targets. Metrics and predictions are always in original units."""


class Data(Section):
    """The table."""

    source: Source
    """Where the rows come from."""
    target: Annotated[Names, Field(min_length=1)]
    """The numeric column to predict, or a list of several."""
    features: Literal["auto"] | list[str] | Features = "auto"
    """auto (all other columns), a list of columns, or `exclude:` with names and patterns."""
    missing_target: Literal["error", "drop"] = "error"
    """Whether rows without a target are an error, or left out."""
    weight: str | None = None
    """Column with the weight of each row in the loss and the metrics."""
    split: Split = FractionSplit(kind="fractions")
    """How the rows are divided into train, validation and test."""
    preprocess: Preprocess = Preprocess()

    @field_validator("target", "weight", "split")
    @classmethod
    def _one_part_for_each_column(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a name that the field or one before it has used: the error is at this field."""
        known: dict[str, Any] = {**info.data, str(info.field_name): value}
        named = [
            *((name, "target") for name in known.get("target", [])),
            (known.get("weight"), "weight"),
            (getattr(known.get("split"), "column", None), "split.column"),
        ]
        part_of: dict[str | None, str] = {}
        for name, part in named:
            if name is not None and name in part_of:
                first = "" if part_of[name] == part else f", as {part_of[name]} and"
                raise ValueError(f"column {name!r} is named twice{first} as {part}")
            part_of[name] = part
        return value
