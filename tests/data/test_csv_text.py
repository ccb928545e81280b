"""CSV files in other dialects, against what Python's csv module or pandas make of them."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.data import csv_text
from tftrain.data.csv_text import CsvFormat, Source, records
from tftrain.data.sources import csv
from tftrain.data.sources.csv import arrow_table, read_csv
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
    table = arrow_table(
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
    monkeypatch.setattr(csv, "BLOCK_BYTES", (1 << 16, 1 << 30))
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
