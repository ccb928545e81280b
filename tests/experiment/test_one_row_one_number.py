"""The same row gives the same number, whatever file or frame it came from, and served alone."""

import datetime
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import tftrain
from tftrain.errors import TftrainWarning
from tftrain.runs import Run

BERLIN = datetime.timezone(datetime.timedelta(hours=1))
WORDS = (
    "NA",
    "null",
    "n/a",
    "None",
    "nan",
    "yes",
    "no",
    "Ä b",
    "a,b",
    'say "x"',
    "true",
    "1.0",
    "-",
)
BLANKS = ("", " ", "\t", "\u00a0")

TYPES = {
    "number": pa.float64(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "moment": pa.timestamp("us"),
    "zoned": pa.timestamp("us", "UTC"),
    "clock": pa.time64("us"),
    "word": pa.string(),
    "code": pa.string(),
    "income": pa.string(),
    "share": pa.string(),
    "sold": pa.string(),
    "stamped": pa.string(),
    "mask": pa.string(),
    "level": pa.int64(),
    "on": pa.bool_(),
    "born": pa.date32(),
    "y": pa.float64(),
}
"""Columns of the tables, as Parquet has them. `level`, `on` and `born` are named categories."""

CATEGORICAL = ["level", "on", "born"]


def dressed(text: str) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(BLANKS), st.sampled_from(BLANKS)).map(
        lambda blanks: blanks[0] + text + blanks[1]
    )


MOMENTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.floats(-1e6, 1e6) | st.just(-999.0),
    "whole": st.integers(-(2**53), 2**53),
    "flag": st.booleans(),
    "day": st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1)),
    "moment": MOMENTS,
    "zoned": st.datetimes(
        datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1), timezones=st.just(BERLIN)
    ),
    "clock": st.times(),
    "word": st.sampled_from([*WORDS, "new", "?"]).flatmap(dressed),
    "code": st.sampled_from(["01", "1", "007", "12"]).flatmap(dressed),
    "income": st.integers(-(10**9), 10**9).map("{:,}".format).flatmap(dressed),
    "share": st.floats(0, 100).map("{}%".format).flatmap(dressed),
    "sold": st.dates(datetime.date(1900, 1, 1)).map("{:%d.%m.%Y}".format).flatmap(dressed),
    "stamped": MOMENTS.map("{:%F %T UTC}".format).flatmap(dressed),
    "mask": st.integers(0, 2**40).map("0x{:02X}".format).flatmap(dressed),
    "level": st.integers(1, 5),
    "on": st.booleans(),
    "born": st.dates(datetime.date(2000, 1, 1), datetime.date(2000, 1, 6)),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}),
    min_size=1,
    max_size=5,
)

Rows = list[dict[str, Any]]


def training_rows() -> Rows:
    """Return 80 rows in which every column has a few values, some of them missing."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(80):
        day = datetime.date(2000, 1, 1) + datetime.timedelta(days=int(rng.integers(3000)))
        at = datetime.datetime(2000, 1, 1) + datetime.timedelta(seconds=int(rng.integers(10**8)))
        row = {
            "number": float(rng.normal()),
            "whole": int(rng.integers(-50, 50)),
            "flag": bool(rng.random() < 0.5),
            "day": day,
            "moment": at,
            "zoned": at.replace(tzinfo=BERLIN),
            "clock": at.time(),
            "word": f" {WORDS[i % len(WORDS)]}" if i % 3 else WORDS[i % len(WORDS)],
            "code": ["01", "007", "12"][i % 3],
            "income": f"{int(rng.integers(10**6)):,}",
            "share": f"{rng.random() * 100}%",
            "sold": f"{day:%d.%m.%Y}",
            "stamped": f"{at:%F %T} UTC",
            "mask": f"0x{i % 20:02X}",
            "level": i % 4 + 1,
            "on": i % 2 == 0,
            "born": datetime.date(2000, 1, 1 + i % 4),
        }
        missing = {name for name in row if rng.random() < 0.1}
        rows.append({n: None if n in missing else v for n, v in row.items()} | {"y": float(i % 7)})
    return rows


def as_arrow(rows: Rows) -> pa.Table:
    names = [name for name in TYPES if name in rows[0]]
    return pa.table({n: pa.array([row[n] for row in rows], TYPES[n]) for n in names})


def csv_frame(rows: Rows) -> pd.DataFrame:
    def cell(value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else value

    return pd.DataFrame({n: [cell(row[n]) for row in rows] for n in rows[0]}, dtype=object)


def by_csv(run: Run, rows: Rows, folder: Path) -> np.ndarray:
    csv_frame(rows).to_csv(folder / "t.csv", index=False)
    return run.predict(run.read_table(folder / "t.csv"))


def by_gzip(run: Run, rows: Rows, folder: Path) -> np.ndarray:
    csv_frame(rows).to_csv(folder / "t.csv.gz", index=False)
    return run.predict(run.read_table(folder / "t.csv.gz"))


def by_parquet(run: Run, rows: Rows, folder: Path) -> np.ndarray:
    parquet.write_table(as_arrow(rows), folder / "t.parquet")
    return run.predict(run.read_table(folder / "t.parquet"))


def by_pandas(run: Run, rows: Rows, _: Path) -> np.ndarray:
    return run.predict(as_arrow(rows).to_pandas())


def by_nullable(run: Run, rows: Rows, _: Path) -> np.ndarray:
    return run.predict(as_arrow(rows).to_pandas().convert_dtypes())


def by_arrow(run: Run, rows: Rows, _: Path) -> np.ndarray:
    return run.predict(as_arrow(rows).to_pandas(types_mapper=pd.ArrowDtype))


def by_objects(run: Run, rows: Rows, _: Path) -> np.ndarray:
    return run.predict(pd.DataFrame(rows, dtype=object))


def by_text(run: Run, rows: Rows, _: Path) -> np.ndarray:
    """A CSV file that pandas has read as text throughout."""
    texts = csv_frame(rows)
    return run.predict(texts.map(lambda value: None if value is None else str(value)))


def by_serving(run: Run, rows: Rows, _: Path) -> np.ndarray:
    """The model alone, fed as the README says: numbers, seconds, texts."""
    raw = {
        c.name: [served(c.kind, c.categorical, row[c.name]) for row in rows] for c in run.columns
    }
    return served_model(str(run.path)).predict(raw)["y"].numpy()


def served(kind: str, categorical: bool, value: Any) -> Any:
    if kind == "text":
        return "" if value is None else value
    if value is None:
        return "" if categorical else np.nan
    if categorical:
        return value.isoformat() if kind == "date" else str(value)
    if kind == "time":
        since = datetime.datetime.combine(datetime.date.min, value) - datetime.datetime.min
        return since / datetime.timedelta(microseconds=1) / 1e6
    if kind == "date":
        return seconds_of(value)
    if not isinstance(value, str):
        return float(value)
    text = value.strip()
    return int(text, 16) if text.startswith("0x") else float(text.rstrip("%").replace(",", ""))


def seconds_of(value: Any) -> float:
    if isinstance(value, str):
        form = "%d.%m.%Y" if "." in value else "%Y-%m-%d %H:%M:%S UTC"
        value = datetime.datetime.strptime(value.strip(), form)
    elif not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    utc = value.replace(tzinfo=value.tzinfo or datetime.UTC)
    since = utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since / datetime.timedelta(microseconds=1) / 1e6


@functools.cache
def served_model(path: str) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(f"{path}/model")


FORMS: dict[str, Callable[[Run, Rows, Path], np.ndarray]] = {
    "csv": by_csv,
    "gzip": by_gzip,
    "parquet": by_parquet,
    "pandas": by_pandas,
    "nullable": by_nullable,
    "arrow": by_arrow,
    "objects": by_objects,
    "text": by_text,
    "served": by_serving,
}


def trained(form: str, rows: Rows, folder: Path, embeddings: Any = "none") -> Run:
    """Train on rows in one of the forms that a table can have."""
    frames = {
        "pandas": lambda: as_arrow(rows).to_pandas(),
        "nullable": lambda: as_arrow(rows).to_pandas().convert_dtypes(),
        "arrow": lambda: as_arrow(rows).to_pandas(types_mapper=pd.ArrowDtype),
    }
    source: dict[str, Any] = {"kind": "dataframe", "missing_values": ["?", -999]}
    if form not in frames:
        path = folder / f"train.{form}"
        source |= {"kind": form, "path": str(path)}
        if form == "csv":
            csv_frame(rows).to_csv(path, index=False)
        else:
            parquet.write_table(as_arrow(rows), path)
    config = {
        "data": {"source": source, "target": "y", "preprocess": {"categorical": CATEGORICAL}},
        "model": {"hidden": [4], "activation": "tanh", "embeddings": embeddings},
        "training": {"epochs": 2, "compile": "graph"},
    }
    data = frames[form]() if form in frames else None
    return tftrain.train(config, data=data, output=folder / "run")


EMBEDDED = {"min_categories": 4, "max_categories": 6, "hash_buckets": 3}
"""Of the columns of text and categories all but `code` are embedded."""


@pytest.fixture(
    scope="module", params=["csv", "parquet", "pandas", "nullable", "arrow", "csv, embedded"]
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    form, *more = request.param.split(", ")
    embeddings = EMBEDDED if more else "none"
    return trained(form, training_rows(), tmp_path_factory.mktemp(form), embeddings)


def test_the_columns_are_embedded_where_asked(run: Run) -> None:
    embedded = [feature.column.name for feature in run.plan.embedded]
    assert not embedded or set(embedded) >= {"word", "level", "born"}


def test_the_columns_are_understood_alike(run: Run) -> None:
    roles = {column.name: column.role for column in run.columns}
    codes = {roles.pop("code"), roles.pop("mask")}
    assert codes <= {"text", "numeric"}  # a CSV file cannot say that 01 is not a number
    assert roles == {
        **dict.fromkeys(("number", "whole", "income", "share"), "numeric"),
        **dict.fromkeys(("day", "moment", "zoned", "sold", "stamped"), "date"),
        **dict.fromkeys(CATEGORICAL, "category"),
        "flag": "boolean",
        "clock": "time",
        "word": "text",
    }


@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
@given(rows=ROWS)
def test_one_row_one_number(run: Run, rows: Rows, tmp_path_factory: Any) -> None:
    require_one_number(run, rows, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
@given(rows=ROWS)
def test_one_row_one_number_in_many_examples(run: Run, rows: Rows, tmp_path_factory: Any) -> None:
    require_one_number(run, rows, tmp_path_factory.getbasetemp())


def require_one_number(run: Run, rows: Rows, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TftrainWarning)  # of categories that are new
        found = {form: predict(run, rows, folder) for form, predict in FORMS.items()}
    assert np.isfinite(found["csv"]).all()
    for form, numbers in found.items():
        np.testing.assert_array_equal(numbers, found["csv"], err_msg=form)
