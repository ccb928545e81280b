"""CSV files in other dialects, against what Python's csv module or pandas make of them."""

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.data import csv_text, tables
from tftrain.data.csv_text import CsvFormat, Source, records
from tftrain.data.tables import as_table, drop_unnamed, read_as_written, read_csv
from tftrain.errors import DataError
from tftrain.memory import Limit


def read(text: str, tmp_path: Path, **options: Any) -> dict[str, list[Any]]:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(options.get("encoding", "utf-8")))
    return read_csv(path, **options).to_dict("list")  # type: ignore[return-value]


AB = {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a;b\n1;'x;1'\n2;y\n", {"delimiter": ";", "quote": "'"}, {**AB, "b": ["x;1", "y"]}),
        ("a,b\n1,'it''s'\n2,y\n", {"quote": "'"}, {**AB, "b": ["it's", "y"]}),
        ('a,b\n1,"x\n2,y\n', {"quote": None}, {**AB, "b": ['"x', "y"]}),
        ("a,b\n1,x\\,1\n2,y\n", {"escape": "\\"}, {**AB, "b": ["x,1", "y"]}),
        ("sep=,\na,b\n1,x\n2,y\n", {"skip_rows": 1}, AB),
        ("sep=,\n# c\na,b\n1,x\n2,y\n", {"skip_rows": 1, "comment": "#"}, AB),
        ("# c, d, e\na,b\n# c\n1,x\n  # d\n2,y\n#", {"comment": "#"}, AB),
        ('a,b\n1,"x\n# no, no"\n2,y\n', {"comment": "#"}, {**AB, "b": ["x\n# no, no", "y"]}),
        ("a,b\n1,x\n2,y # z\n", {"comment": "#"}, {**AB, "b": ["x", "y # z"]}),
        ("a\n# c\n1\n2\n", {"comment": "#"}, {"a": [1, 2]}),
        ("1,x\n2,y\n", {"header": False}, {"column_1": [1, 2], "column_2": ["x", "y"]}),
        ("1\n2\n", {"header": False}, {"column_1": [1, 2]}),
        (" a \t b\n1   x\n\n 2\ty ", {"delimiter": "blanks"}, AB),
        ('a b\n1 "x  1"\n2 y\n', {"delimiter": "blanks"}, {**AB, "b": ["x  1", "y"]}),
        ('a b\n1 "x  \n  1"\n2 y\n', {"delimiter": "blanks"}, {**AB, "b": ["x  \n  1", "y"]}),
        ('b c\n"x\n1" 5\ny 6\n', {"delimiter": "blanks"}, {"b": ["x\n1", "y"], "c": [5, 6]}),
        ("% c\na b\n% d\n1 x\n2 y\n", {"delimiter": "blanks", "comment": "%"}, AB),
        ("a\tb\r\n1\tx\r\n2\ty\r\n", {"delimiter": "\t", "encoding": "utf-16"}, AB),
        ("# ü\na\tb\n1\tx\n2\ty\n", {"delimiter": "\t", "encoding": "utf-16", "comment": "#"}, AB),
        ("\ufeff# ü\na,b\n1,x\n2,y\n", {"comment": "#"}, AB),
        ("\ufeffsep=,\na,b\n1,x\n2,y\n", {"skip_rows": 1}, AB),
    ],
)  # fmt: skip
def test_dialects(
    tmp_path: Path, text: str, options: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    assert read(text, tmp_path, **options) == expected
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode(options.get("encoding", "utf-8"))))
    assert read_csv(path, **options).to_dict("list") == expected


def test_the_line_of_a_broken_row_counts_what_was_left_out(tmp_path: Path) -> None:
    for text, options in (
        ("# c\na,b\n# d\n1,2\n1,2,3\n", {"comment": "#"}),
        ("sep=,\nx\n\na,b\n1,2,3\n", {"skip_rows": 2}),
        ("a  b\n\n1  2\n\n1 2   3\n", {"delimiter": "blanks"}),
    ):
        if options == {"skip_rows": 2}:
            text = text.replace("1,2,3", "1,2,3\n1,2")  # one row alone has a value without a name
        with pytest.raises(DataError, match=r"t\.csv:[56]: \d values"):
            read(text, tmp_path, **options)
    with pytest.raises(DataError, match=r"t\.csv:2: 3 values .*the first has 2 columns"):
        read("1,2\n1,2,3\n", tmp_path, header=False)


TEXTS = st.text(st.sampled_from("ab \"'\n,;#\t"), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5),
    quote=st.sampled_from("\"'"),
    between=st.sampled_from([" ", "\t", "  \t "]),
)
def test_blanks_and_comments_outside_of_quotes_alone(
    rows: list[tuple[str, str]], quote: str, between: str
) -> None:
    """Every value is quoted, so whatever it holds, it comes out as it went in."""

    def quoted(value: str) -> str:
        return quote + value.replace(quote, 2 * quote) + quote

    lines = ["# c\n" + between.join(map(quoted, row)) + "\n" for row in rows]
    form = CsvFormat(delimiter="blanks", quote=quote, comment="#")
    found = [row for _, row in records(Source("t", "".join(lines).encode()), form)]
    assert found == [list(row) for row in rows]
    table = tables.arrow_table(
        Source("t", "".join(["a b\n", *lines]).encode()),
        CsvFormat(delimiter="blanks", quote=quote, comment="#", text_columns=("a", "b")),
        csv_text.Header(["a", "b"], []),
        1 << 20,
    )
    assert table.num_rows == len(rows)


def test_a_filtered_file_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("# c\nx,y\n" + "1,2\n" * 300_000)
    assert len(read_csv(path, comment="#")) == 300_000
    monkeypatch.setattr(tables, "BLOCK_BYTES", (1 << 16, 1 << 30))
    monkeypatch.setattr("tftrain.memory.limit", lambda: Limit(3_000_000, "this machine has"))
    with pytest.raises(DataError, match=r"t\.csv: is larger than"):
        read_csv(path, comment="#")
    monkeypatch.undo()
    monkeypatch.setattr(csv_text, "MAX_RECORD", 1000)
    path.write_text("# " + "c" * 2000 + "\nx,y\n1,2\n")
    with pytest.raises(DataError, match="the row after line 0 has over 1,000 characters"):
        read_csv(path, comment="#")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,,c\n1,2,3\n", ["a", "column_2", "c"]),
        ("a,  ,\n1,2,3\n", ["a", "column_2", "column_3"]),
        ("column_1,,column_2\n1,2,3\n", ["column_1", "column_2_", "column_2"]),
        ("a,b\nr1,1,2\nr2,3,4\n", ["column_1", "a", "b"]),
        ('"a" "b"\n"r1" 1 2\n"r2" 3 4\n', ["column_1", "a", "b"]),
        ("a,b\n1,2,\n3,4,\n", ["a", "b", "column_3"]),
        ("a,b,\n1,2\n3,4\n", ["a", "b"]),
    ],
)
def test_columns_without_a_name_are_counted(tmp_path: Path, text: str, names: list[str]) -> None:
    delimiter = " " if '" "' in text else ","
    assert list(read(text, tmp_path, delimiter=delimiter)) == names


def indexed(index: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": [1.5, 2.5, 3.5], "y": [3, 4, 5]}, index=index)


@pytest.mark.parametrize("index", [[0, 1, 2], [1, 2, 3], [7, 2, 9]])
def test_row_numbers_without_a_name_are_left_out_with_a_note(tmp_path: Path, index: Any) -> None:
    path = tmp_path / "t.csv"
    indexed(index).to_csv(path)
    frames = [read_csv(path), as_table(indexed(index).reset_index(names=""))]
    indexed(index).reset_index(names="").to_parquet(tmp_path / "t.parquet")
    frames.append(tables.read_parquet(tmp_path / "t.parquet"))
    for frame in frames:
        assert list(frame) == ["column_1", "x", "y"]
        left = drop_unnamed(frame)
        assert left.to_dict("list") == indexed(index).to_dict("list")
        (note,) = left.attrs["notes"]
        assert "no name" in note
        assert str(index[0]) in note
        assert list(drop_unnamed(frame, ["column_1"])) == ["column_1", "x", "y"]


@pytest.mark.parametrize("index", [[0.5, 1.5, 2.5], ["a", "b", "c"], [4, 4, 2], [-1, 0, 1]])
def test_other_columns_without_a_name_stay(tmp_path: Path, index: Any) -> None:
    indexed(index).to_csv(tmp_path / "t.csv")
    frame = drop_unnamed(read_csv(tmp_path / "t.csv"))
    assert list(frame) == ["column_1", "x", "y"]
    assert frame["column_1"].to_list() == index


def test_row_numbers_in_another_place_or_with_a_name_stay(tmp_path: Path) -> None:
    for text in ("a,,y\n1,0,2\n1,1,3\n", "n,a,y\n0,1,2\n1,1,3\n"):
        path = tmp_path / "t.csv"
        path.write_text(text)
        assert drop_unnamed(read_csv(path)).shape == (2, 3)


def test_row_numbers_of_several_files_are_counted_anew(tmp_path: Path) -> None:
    for i in range(3):
        indexed([0, 1, 2]).to_csv(tmp_path / f"p{i}.csv")
    assert list(drop_unnamed(read_csv(tmp_path / "p*.csv"))) == ["x", "y"]


def test_what_a_delimiter_at_the_end_makes_is_left_out(tmp_path: Path) -> None:
    for text in ("a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n"):
        (tmp_path / "t.csv").write_text(text)
        frame = drop_unnamed(read_csv(tmp_path / "t.csv"))
        assert frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
        assert frame.attrs["notes"] == []


@pytest.mark.parametrize("name", [None, np.nan, "", " "])
def test_a_dataframe_without_a_name(name: Any) -> None:
    frame = pd.DataFrame([[1.5, 2, 3]], columns=["a", name, 7])
    assert list(as_table(frame)) == ["a", "column_2", "7"]


def test_two_columns_of_one_name_where_nobody_needs_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,a\n1,2,3\n")
    assert read_csv(tmp_path / "t.csv", needed="b".__eq__).to_dict("list") == {"a": [1], "b": [2]}
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    assert as_table(frame, "b".__eq__).to_dict("list") == {"a": [1], "b": [2]}
    for read in (lambda: read_csv(tmp_path / "t.csv"), lambda: as_table(frame)):
        with pytest.raises(DataError, match="two columns are called 'a'; rename one"):
            read()


IDS = ["007", "12345678901234567890", "NA", "", " x ", "1e5", "true", "2020-01-01", '"q"', "'"]


def test_columns_as_they_are_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": IDS, "x": 1.0})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert read_as_written(tmp_path / "t.csv", ["id"])["id"].to_list() == IDS
    assert read_as_written(tmp_path / "t.csv", ["x", "id"]).iloc[0].to_list() == ["1.0", "007"]
    big = pd.DataFrame({"id": pd.array([2**63 - 1, None], "Int64"), "x": [1.5, 2.5]})
    big.to_parquet(tmp_path / "t.parquet")
    out = io.StringIO()
    read_as_written(tmp_path / "t.parquet", ["id"]).to_csv(out, index=False)
    assert out.getvalue().split() == ["id", str(2**63 - 1), '""']
    with pytest.raises(DataError, match=r"t\.csv: has no column 'ids', did you mean id\?"):
        read_as_written(tmp_path / "t.csv", ["ids"])


@pytest.mark.parametrize("text", ["a,b", "a,b\n", "\na,b\r\n", "# c\na,b\n"])
def test_a_header_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    options = {"comment": "#"} if "#" in text else {}
    frame = read_csv(path, allow_empty=True, **options)
    assert (list(frame), len(frame)) == (["a", "b"], 0)
    with pytest.raises(DataError, match="a header but no rows"):
        read_csv(path, **options)


@pytest.mark.parametrize("text", ["\n\n", "# c\n"])
def test_a_file_without_a_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match="holds no table, only empty lines or comments"):
        read_csv(tmp_path / "t.csv", comment="#")
