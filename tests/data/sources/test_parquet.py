"""Tables from Parquet, against pandas."""

import datetime
import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tftrain.data.columns import Conventions, understand
from tftrain.data.fingerprint import fingerprint
from tftrain.data.sources.parquet import read_parquet
from tftrain.errors import DataError


def test_files_of_a_pattern_with_other_types(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "p1.parquet")
    pd.DataFrame({"a": ["x"]}).to_parquet(tmp_path / "p2.parquet")
    with pytest.raises(DataError, match=r"p\*\.parquet: .*different types"):
        read_parquet(tmp_path / "p*.parquet")


def test_parquet_keeps_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "price": [decimal.Decimal("1.25"), None, decimal.Decimal("-3.50")],
            "kind": pd.Categorical(["a", None, "b"]),
            "day": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None],
            "moment": pd.to_datetime(["2024-01-01T12:00Z", "2024-01-02T00:00Z", None]),
            "text": ["x", "", None],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    back = read_parquet(tmp_path / "t.parquet")
    assert list(back) == list(frame)
    np.testing.assert_array_equal(back.whole.astype(float), [1, np.nan, 3])
    assert list(back.flag[[0, 2]]) == [True, False]
    np.testing.assert_array_equal(back.price, [1.25, np.nan, -3.5])
    assert list(back.kind.dropna()) == ["a", "b"]
    assert back.day[1] == pd.Timestamp("2024-01-02")
    assert back.moment[0] == pd.Timestamp("2024-01-01T12:00Z")
    assert back.text[0] == "x"
    assert back.isna().sum().to_dict() == {**dict.fromkeys(frame, 1)}


def test_parquet_written_with_an_index_has_its_own_columns_only(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[10, 20])
    frame.to_parquet(tmp_path / "t.parquet")
    back = read_parquet(tmp_path / "t.parquet")
    assert list(back) == ["a"]
    assert list(back.index) == [0, 1]


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": range(1000)}).to_parquet(path)
    whole = path.read_bytes()
    for part in (whole[:-10], whole[: len(whole) // 2], whole[:3], b"a,b\n1,2\n" * 9):
        path.write_bytes(part)
        with pytest.raises(DataError, match=r"t\.parquet: not a whole Parquet file"):
            read_parquet(path)


def test_corrupt_parquet_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.arange(10_000.0)}).to_parquet(path)
    whole = bytearray(path.read_bytes())
    whole[4:60] = b"\xff" * 56
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"t\.parquet"):
        read_parquet(path)


def test_parquet_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.zeros(0)}).to_parquet(path)
    with pytest.raises(DataError, match="a header but no rows"):
        read_parquet(path)


def test_nested_parquet_columns_are_read_but_no_features(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"a": [1, 2], "b": [[1, 2], []], "c": [{"x": 1}, None], "d": [b"\x00", b"y"]}
    parquet.write_table(pa.table(columns), path)
    frame = read_parquet(path)
    assert understand(frame, "a", Conventions()).kind == "numeric"
    for name, kind in (("b", "ndarray"), ("c", "dict"), ("d", "bytes")):
        with pytest.raises(DataError, match=f"'{name}' holds {kind} values.*features.exclude"):
            understand(frame, name, Conventions())
    assert fingerprint(frame)["columns"] == 4
    assert fingerprint(frame.drop(columns="b")) != fingerprint(frame)


def test_decimals_are_rounded_once(tmp_path: Path) -> None:
    texts = ["12345678901234.567", "98765432109876.543", "0.1", "-71234567890123.457"]
    values = pa.array(texts).cast(pa.decimal128(25, 3))
    parquet.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet")["a"].to_list() == [float(text) for text in texts]
