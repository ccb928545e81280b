"""Finding out how a table is written and what its columns are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tftrain.data.columns import Conventions
from tftrain.data.sniff import (
    as_patterns,
    missing_marks,
    numbers_rows,
    sniff,
    split_columns,
    useless_columns,
)
from tftrain.data.sources.csv import read_csv
from tftrain.errors import DataError

UNTYPED = Conventions(typed=False)

TABLE = {"name": ["Köln", "Bonn"], "größe": [1.5, 2.25], "n": [1, 2]}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_and_encoding(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame(TABLE).to_csv(path, sep=delimiter, index=False, encoding=encoding)
    table = sniff(path)
    assert table.frame.to_dict("list") == TABLE
    assert table.options.get("delimiter", ",") == delimiter
    assert table.options.get("encoding", "utf-8") == encoding
    pd.testing.assert_frame_equal(read_csv(path, **table.options), table.frame)


def test_decimal_comma(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame(TABLE).to_csv(path, sep=";", decimal=",", index=False)
    table = sniff(path)
    assert table.options == {"delimiter": ";", "decimal": ","}
    assert table.frame.to_dict("list") == TABLE


def test_plain_csv_and_parquet_need_no_options(tmp_path: Path) -> None:
    pd.DataFrame(TABLE).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame(TABLE).to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert sniff(tmp_path / name).options == {}
        assert sniff(tmp_path / name).frame.to_dict("list") == TABLE


def test_commas_inside_text_of_a_semicolon_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b;c\nx, y;1;2\nz, w;3;4\n")
    assert list(sniff(path).frame) == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1,2\n1,2,3\n"])
def test_what_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"t\.csv"):
        sniff(path)
    with pytest.raises(DataError, match="no such file"):
        sniff(tmp_path / "u.csv")


def test_split_columns() -> None:
    frame = pd.DataFrame(
        {
            "x": [1, 2, 3],
            "split": ["train", "Test", "val"],
            "fold": ["train", "test", "test"],
            "words": ["train", "bus", "test"],
            "only": ["train", "train", "train"],
            "holes": ["train", None, "test"],
        }
    )
    assert split_columns(frame) == ["split", "fold"]


def test_useless_columns() -> None:
    rows = 60
    frame = pd.DataFrame(
        {
            "x": np.linspace(0, 1, rows),
            "empty": [None] * rows,
            "same": [1] * rows,
            "sometimes": [1] * (rows - 1) + [None],
            "id": [f"row {i}" for i in range(rows)],
            "word": ["a", "b"] * (rows // 2),
        }
    )
    assert set(useless_columns(frame, Conventions())) == {"empty", "same", "id"}


@pytest.mark.parametrize(
    ("names", "all_names", "expected"),
    [
        (["s_0", "s_1", "s_2"], ["x", "s_0", "s_1", "s_2"], ["s_*"]),
        (["s_1", "s_2", "s_3"], ["s_0", "s_1", "s_2", "s_3"], ["s_1", "s_2", "s_3"]),
        (["s_0", "s_1"], ["s_0", "s_1"], ["s_0", "s_1"]),
        (["a", "b"], ["a", "b", "c"], ["a", "b"]),
        ([], ["a"], []),
    ],
)
def test_names_become_patterns(names: list[str], all_names: list[str], expected: list[str]) -> None:
    assert as_patterns(names, all_names) == expected


def test_marks_among_numbers_are_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i},{i / 2},x{i % 3},0{i}" for i in range(30)]
    rows[6], rows[20] = "?,-,?,A7", "21,-,x0,01"
    path.write_text("\n".join(["a,b,word,code", *rows]) + "\n")
    plain = sniff(path)
    assert plain.options == {}
    assert plain.frame["a"][6] == "?"
    marks = missing_marks(plain.frame, UNTYPED)
    assert marks == {"?": "'?' in row 7 of a", "-": "'-' in row 7 of b"}


def test_a_stray_text_among_numbers_is_named_as_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i},{i / 2}" for i in range(200)]
    rows[7] = "7,1.2.3"
    path.write_text("\n".join(["a,b", *rows]) + "\n")
    frame = sniff(path).frame
    assert missing_marks(frame, UNTYPED) == {}
    reason = "row 8 holds '1.2.3', which is not written like nearly all others"
    assert useless_columns(frame, UNTYPED)["b"] == reason


def test_columns_that_can_be_no_feature_are_useless() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [[1], [2]]})
    reason = "it holds list values, not numbers, dates or text alone"
    assert useless_columns(frame, Conventions()) == {"b": reason}
    assert split_columns(frame) == []


def test_marks_among_texts_that_are_meant_to_be_text_stay() -> None:
    frame = pd.DataFrame({"a": [*map(str, range(30)), "?"]})
    assert missing_marks(frame, Conventions()) == {}


@pytest.mark.parametrize("mark", ["-", "unknown", "0000-00-00", "00/00/0000"])
def test_marks_among_dates(mark: str) -> None:
    days = pd.date_range("2024-01-01", periods=30).strftime("%d/%m/%Y").tolist()
    frame = pd.DataFrame({"d": [*days, mark, f" {mark}"]})
    assert list(missing_marks(frame, Conventions())) == [mark]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("Unnamed: 0", [92, 280, 132, 7], True),
        ("id", [5, 9, 700], True),
        ("customer_id", [5, 9, 700], True),
        ("humidity", [5, 9, 700], False),
        ("n", [*range(40)], True),
        ("n", [*range(40, 0, -1)], True),
        ("n", [*range(39), 77], False),
        ("year", [*range(1990, 2020)], False),
        ("id", [1, 1, 2, 3], False),
        ("id", [0.5, 1.5, 2.5], False),
    ],
)
def test_numbers_of_rows(name: str, values: list[float], expected: bool) -> None:
    assert numbers_rows(name, np.array(values, float)) == expected
