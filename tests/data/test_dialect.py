"""Finding out how a file is written: what is found must read it as pandas wrote it."""

import csv
import io
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tftrain.data.dialect import find_dialect, sure_encoding
from tftrain.data.sniff import sniff
from tftrain.data.sources.csv import read_csv
from tftrain.errors import DataError

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "town": RNG.choice(["Köln", "Bonn", "Aachen, West"], 40),
        "price": RNG.normal(size=40).round(3),
        "rooms": RNG.integers(1, 9, 40),
        "area": (RNG.random(40) * 90).round(1),
    }
)


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read_as_found(path: Path) -> pd.DataFrame:
    return read_csv(path, **find_dialect(path))


WAYS = [
    way
    for way in product([",", ";", "\t", "|", " "], [".", ","], ['"', "'"], [True, False])
    if way[:2] != (",", ",")
]


@pytest.mark.parametrize(("delimiter", "decimal", "quote", "all_quoted"), WAYS)
def test_what_pandas_writes_is_read_back(
    tmp_path: Path, delimiter: str, decimal: str, quote: str, all_quoted: bool
) -> None:
    text = TABLE.to_csv(
        index=False,
        sep=delimiter,
        decimal=decimal,
        quotechar=quote,
        quoting=csv.QUOTE_NONNUMERIC if all_quoted else csv.QUOTE_MINIMAL,
    )
    pd.testing.assert_frame_equal(read_as_found(written(tmp_path, text)), TABLE)


@pytest.mark.parametrize("header", ['"Preis, EUR";"Fläche, qm"', "Preis, EUR;Fläche, qm"])
@pytest.mark.parametrize("whole", [True, False])
def test_names_and_decimals_that_hold_commas(tmp_path: Path, header: str, whole: bool) -> None:
    rows = [f"{i},5;{30 + i},{i % 10}" + ("" if whole else f";Haus, {i}") for i in range(20)]
    text = "\n".join([header + ("" if whole else ";Art, kurz"), *rows]) + "\n"
    frame = read_as_found(written(tmp_path, text))
    assert list(frame)[:2] == ["Preis, EUR", "Fläche, qm"]
    np.testing.assert_array_equal(frame["Preis, EUR"], np.arange(20) + 0.5)


ENCODED = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("mark", [False, True])
def test_encodings(tmp_path: Path, encoding: str, mark: bool) -> None:
    start = "\ufeff" if mark and encoding[-2:] in ("le", "be") else ""
    path = written(tmp_path, start + TABLE.to_csv(index=False, sep="\t"), encoding)
    pd.testing.assert_frame_equal(read_as_found(path), TABLE)
    pd.testing.assert_frame_equal(sniff(path).frame, TABLE)


def test_an_encoding_without_doubt() -> None:
    assert sure_encoding("a,ä\n".encode()) == "utf-8"
    assert sure_encoding("a,ä\n".encode("cp1252")) is None
    assert sure_encoding(b"a,b\n") is None
    assert sure_encoding("a,b\n".encode("utf-16")) == "utf-16"
    assert sure_encoding(b"") is None


PLAIN = "a,b,c\n1,2.5,x\n2,3.5,y\n3,4.5,x\n"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (PLAIN, {}),
        ("sep=;\r\n" + PLAIN.replace(",", ";"), {"delimiter": ";", "skip_rows": 1}),
        ('"sep=,"\n' + PLAIN, {"skip_rows": 1}),
        ("# by hand\n# units, too\n" + PLAIN, {"comment": "#"}),
        (PLAIN + "# the end\n", {"comment": "#"}),
        (PLAIN.replace("2,3.5", "// note, with two, marks\n2,3.5"), {"comment": "//"}),
        ("# a comment that has\n\n" + PLAIN, {"comment": "#"}),
        ("Report of 2024\nby hand\n\n" + PLAIN, {"skip_rows": 2}),
        ("Report, 2024\n" + PLAIN, {"skip_rows": 1}),
        ('"b" "c"\n"r 1" 2.5 4\n"r 2" 3.5 5\n"r 3" 4.5 6\n', {"delimiter": " "}),
        ('"b","c"\n"1",2.5,4\n"2",3.5,5\n"3",4.5,6\n', {}),
        ("|a|b|\n|1|2|\n|3|4|\n", {"delimiter": "|"}),
        (PLAIN.replace(",", "  "), {"delimiter": "blanks"}),
        (PLAIN.replace(",", " \t").replace("\n", " \n  "), {"delimiter": "blanks"}),
        (PLAIN.replace(",", " "), {"delimiter": " "}),
        (PLAIN.replace("x", "'x, y'"), {"quote": "'"}),
        (PLAIN.replace("x", "'x'").replace("y", "'y'"), {"quote": "'"}),
        (PLAIN.replace("x", '"say \\"x, y\\""'), {"escape": "\\"}),
        (PLAIN.replace("x", "x\\, y"), {"escape": "\\"}),
        (PLAIN[6:], {"header": False}),
        (
            PLAIN[6:].replace(",", ";").replace(".", ","),
            {"delimiter": ";", "decimal": ",", "header": False},
        ),
        (PLAIN.replace("a,b,c", "#a,b,c"), {}),
        (PLAIN.replace("a,b,c", "land,2019,2020").replace("x", "7").replace("y", "8"), {}),
        ("0,1\n1.5,2.5\n3.5,4.5\n", {}),
        ("2019,2020\n1.5,2.5\n3.5,4.5\n", {}),
        ("1,7\n2,9\n3,5\n", {"header": False}),
        ("day;x\n01.02.2020;1,5\n02.02.2020;2,5\n", {"delimiter": ";", "decimal": ","}),
        ("when\n2020-01-01 12:00\n2020-01-02 12:00\n", {}),
        ("when,x\n2020-01-01 12:00,3\n2020-01-02 12:00,4\n", {}),
        ("a;b;c\nx, y;1;2\nz, w;3;4\n", {"delimiter": ";"}),
        ("dir,y\nC:\\new\\table,1\nC:\\old\\table,2\n", {}),
        ("it,y\nit's,1\ndon't,2\n", {}),
        ('size,y\n5" pipe,1\n6" pipe,2\n', {}),
        ("a,b\n\n1,2\n\n3,4\n", {}),
        (PLAIN.replace(",", "~"), {"delimiter": "~"}),
        (PLAIN.replace(",", "^"), {"delimiter": "^"}),
        (PLAIN.replace(",", ":"), {"delimiter": ":"}),
        ("when\n12:30\n12:40\n12:50\n", {}),
        ("My table,,\n" + PLAIN, {"skip_rows": 1}),
        ("My table,,\n,,\n" + PLAIN, {"skip_rows": 2}),
        ("a,,\n1,2,3\n4,5,6\n7,8,9\n", {}),
    ],
)  # fmt: skip
def test_dialects(tmp_path: Path, text: str, options: dict[str, Any]) -> None:
    path = written(tmp_path, text)
    assert find_dialect(path) == options
    assert len(read_csv(path, **options)) >= 2


def test_what_is_given_holds_and_helps(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b,c\n1;2,3\n4;5,6\n")
    assert find_dialect(path, {"delimiter": ","}) == {"delimiter": ","}
    assert find_dialect(path, {"decimal": ".", "header": True})["delimiter"] == ";"


def test_a_wide_table(tmp_path: Path) -> None:
    values = RNG.normal(size=(12, 10_000)).round(2)
    text = io.StringIO()
    np.savetxt(
        text,
        values,
        fmt="%.2f",
        delimiter=";",
        header=";".join(map(str, range(10_000))),
        comments="x",
    )
    assert find_dialect(written(tmp_path, text.getvalue())) == {"delimiter": ";"}


def test_a_broken_row_does_not_hide_the_delimiter(tmp_path: Path) -> None:
    rows = "".join(f"{i};{i / 2};x\n" for i in range(50))
    path = written(tmp_path, "a;b;c\n" + rows + "1;2\n")
    assert find_dialect(path) == {"delimiter": ";"}


def test_lines_below_a_table_do_not_hide_it(tmp_path: Path) -> None:
    rows = "".join(f"R{i};{i};{i},5\n" for i in range(12))
    path = written(tmp_path, f"Source: office\n\nregion;people;rate\n{rows}\nFootnote\n")
    assert find_dialect(path) == {"delimiter": ";", "decimal": ",", "skip_rows": 1}
    with pytest.raises(DataError, match=r"t\.csv:17: 1 values"):
        sniff(path)


def test_init_says_why(tmp_path: Path) -> None:
    table = sniff(written(tmp_path, PLAIN[6:]))
    assert list(table.frame) == ["column_1", "column_2", "column_3"]
    assert "column_1" in table.remarks["header"]


@pytest.mark.parametrize(
    "rows",
    [
        [f"MSFT,Jan {i} 2000,{i}.25" for i in range(1, 9)],
        [f"Big Apple {i} 2,x,{i}.5" for i in range(1, 9)],
        [f"3 kg {i} g,1 m,{i}" for i in range(1, 9)],
    ],
)
def test_blanks_in_texts_and_dates_are_not_between_columns(tmp_path: Path, rows: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["symbol,date,y", *rows]) + "\n")
    assert find_dialect(path) == {}


def test_marks_of_thousands_count_where_the_decimal_mark_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("preis;anzahl\n" + "478.560,77;8.131\n" * 9)
    assert find_dialect(path) == {"delimiter": ";", "decimal": ","}
    path.write_text("a;b\n" + "3.141;2.5\n" * 9)
    assert find_dialect(path) == {"delimiter": ";"}
