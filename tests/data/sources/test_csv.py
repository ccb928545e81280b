"""Tables from CSV, against text written in the test."""

import bz2
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tftrain.data.sources import csv
from tftrain.data.sources.csv import read_csv
from tftrain.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_plain_csv(tmp_path: Path) -> None:
    text = "n,x,word,flag,day\n1,0.5,a,true,2024-02-29\n2,,b c,false,2024-03-01\n"
    frame = read_csv(write(tmp_path / "t.csv", text))
    assert list(frame) == ["n", "x", "word", "flag", "day"]
    assert list(frame.n) == [1, 2]
    assert frame.x[0] == 0.5
    assert np.isnan(frame.x[1])
    assert list(frame.word) == ["a", "b c"]
    assert frame.flag.dtype == bool
    assert list(frame.day) == [pd.Timestamp("2024-02-29"), pd.Timestamp("2024-03-01")]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path / "t.csv", delimiter.join("ab") + "\n" + delimiter.join("12") + "\n")
    assert read_csv(path, delimiter=delimiter).to_dict("list") == {"a": [1], "b": [2]}


def test_decimal_comma(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a;b\n1,5;-2,25e1\n")
    assert read_csv(path, delimiter=";", decimal=",").to_dict("list") == {"a": [1.5], "b": [-22.5]}


def test_latin_1(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "größe,ort\n1,Köln\n", "latin-1")
    assert read_csv(path, encoding="latin-1").to_dict("list") == {"größe": [1], "ort": ["Köln"]}


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert list(read_csv(write(tmp_path / "t.csv", "\ufeffa,b\n1,2\n"))) == ["a", "b"]


@pytest.mark.parametrize(("ending", "squeeze"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_compression_by_extension(tmp_path: Path, ending: str, squeeze: object) -> None:
    path = tmp_path / f"t.csv.{ending}"
    path.write_bytes(squeeze(b"a,b\n1,2\n"))  # type: ignore[operator]
    assert read_csv(path).to_dict("list") == {"a": [1], "b": [2]}


def test_glob_reads_all_files_in_order_with_columns_by_name(tmp_path: Path) -> None:
    write(tmp_path / "p2.csv", "b,a\n3.5,2\n")
    write(tmp_path / "p1.csv", "a,b\n1,2\n")
    write(tmp_path / "other.txt", "z\n1\n")
    frame = read_csv(tmp_path / "p*.csv")
    assert frame.to_dict("list") == {"a": [1, 2], "b": [2.0, 3.5]}


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    assert len(read_csv(write(tmp_path / "t[1].csv", "a,b\n1,2\n"))) == 1


def test_quoted_newlines_and_delimiters(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 'a,b\n"two\nlines",1\n"a, ""b""",2\n')
    assert list(read_csv(path).a) == ["two\nlines", 'a, "b"']


def test_windows_line_ends_and_no_last_newline(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b\r\n1,x\r\n2,y")
    assert read_csv(path).to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_late_float_after_many_integers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.csv", "a,b\n" + "1,2\n" * 1000 + "1.5,2\n")
    monkeypatch.setattr(csv, "BLOCK_BYTES", (256, 1 << 20))
    frame = read_csv(path)
    assert frame.a.dtype == np.float64
    assert frame.a.sum() == 1001.5
    assert frame.b.sum() == 2002


def test_empty_column_is_all_missing_numbers(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path / "t.csv", "a,b\n1,\n2,\n"))
    assert frame.b.dtype == np.float64
    assert frame.b.isna().all()


def test_times_of_day_are_durations(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path / "t.csv", "t,b\n01:00:01,1\n00:00:30,2\n"))
    assert list(frame.t) == [pd.Timedelta("1h 1s"), pd.Timedelta("30s")]


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("", ["t.csv: the file is empty"]),
        ("a,b\n", ["t.csv: a header but no rows"]),
        ("a,b\n1,2\n1,2,3\n", ["t.csv:3: 3 values", "2 columns"]),
        ("a,b\n1,2\n1\n", ["t.csv:3: 1 values", "2 columns"]),
        ('a,b\n"x\ny",2\n1,2\n1,2,3\n', ["t.csv:5: 3 values"]),
        ("a;b\n1;2\n", ["only one column", "';'", "data.source.delimiter"]),
        ("a\tb\n1\t2\n", ["only one column", "data.source.delimiter"]),
        ("a,a\n1,2\n", ["two columns are called 'a'"]),
    ],
)
def test_faults_of_a_csv_file(tmp_path: Path, text: str, fragments: list[str]) -> None:
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(DataError) as caught:
        read_csv(path)
    assert str(caught.value).startswith(str(path))
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("text", ["a,ort\n1,Köln\n", "größe,b\n1,2\n"])
@pytest.mark.parametrize("late", [False, True])
def test_wrong_encoding(tmp_path: Path, text: str, late: bool) -> None:
    header, row = text.splitlines(keepends=True)
    path = write(tmp_path / "t.csv", header + "1,x\n" * (1000 if late else 0) + row, "latin-1")
    with pytest.raises(DataError, match=r"t\.csv: not utf-8 text .*data\.source\.encoding.*latin"):
        read_csv(path)


def test_utf_8_read_as_ascii_is_a_wrong_encoding(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,ort\n1,Köln\n")
    with pytest.raises(DataError, match=r"not ascii text"):
        read_csv(path, encoding="ascii")


def test_files_of_a_pattern_with_other_columns(tmp_path: Path) -> None:
    write(tmp_path / "p1.csv", "a,b\n1,2\n")
    write(tmp_path / "p2.csv", "a,c\n1,2\n")
    with pytest.raises(DataError, match=r"p2\.csv: its columns differ .*'b'"):
        read_csv(tmp_path / "p*.csv")


def test_text_in_one_file_of_a_pattern_is_text_in_all(tmp_path: Path) -> None:
    write(tmp_path / "p1.csv", "code,b\n01,2\n")
    write(tmp_path / "p2.csv", "b,code\n2,A3\n")
    write(tmp_path / "p3.csv", "code,b\n02,2\ntrue,\n")
    frame = read_csv(tmp_path / "p*.csv")
    assert frame["code"].to_list() == ["01", "A3", "02", "true"]
    assert frame["b"].dtype == np.float64


def test_marks_of_missing_values(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b\n1,x\n?,?\n-999,NA\n4,y\n")
    assert read_csv(path)["a"].to_list() == ["1", "?", "-999", "4"]
    frame = read_csv(path, missing_values=["?", "-999"])
    np.testing.assert_array_equal(frame["a"], [1, np.nan, np.nan, 4])
    assert frame["b"].to_list() == ["x", "?", "NA", "y"]  # what that means is no reader's to say


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_an_empty_line_of_a_single_column_is_a_missing_value(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "t.csv", "a\n1\n\n3" + end)
    np.testing.assert_array_equal(read_csv(path)["a"], [1, np.nan, 3])
    several = write(tmp_path / "s.csv", "a,b\n1,2\n\n3,4" + end)
    assert len(read_csv(several)) == 2


def test_binary_rubbish_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(DataError, match=r"^.*t\.csv"):
        read_csv(path)


def test_damaged_compression_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 5000)[:-20])
    with pytest.raises(DataError, match=r"t\.csv\.gz"):
        read_csv(path)
