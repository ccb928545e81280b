"""Reading and writing tables, against pandas and against text written in the test."""

import bz2
import datetime
import decimal
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tftrain.data import tables
from tftrain.data.columns import Conventions, understand
from tftrain.data.tables import fingerprint, read_csv, read_parquet, read_table, write_table
from tftrain.errors import DataError, OutputError


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
    monkeypatch.setattr(tables, "BLOCK_BYTES", (256, 1 << 20))
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


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_numbers_survive_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "numbers.csv"
    write_table(pd.DataFrame({"a": values, "b": 1}), path)
    assert read_csv(path).a.astype(float).tolist() == values


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


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "concrete.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"concret\.csv: no such file, did you mean concrete\.csv"):
        read_csv(tmp_path / "concret.csv")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        read_csv(tmp_path / "nowhere/t.csv")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder.*\*\.csv"):
        read_csv(tmp_path)


def test_pattern_without_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.csv: no file matches$"):
        read_csv(tmp_path / "*.csv")


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


def test_files_of_a_pattern_with_other_types(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "p1.parquet")
    pd.DataFrame({"a": ["x"]}).to_parquet(tmp_path / "p2.parquet")
    with pytest.raises(DataError, match=r"p\*\.parquet: .*different types"):
        read_parquet(tmp_path / "p*.parquet")


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


def test_a_column_that_is_called_like_an_index_of_pandas(tmp_path: Path) -> None:
    columns = {"__index_level_0__": [1, 2], "b": [3, 4]}
    write(tmp_path / "t.csv", "__index_level_0__,b\n1,3\n2,4\n")
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert read_table(tmp_path / name).to_dict("list") == columns


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


def test_read_table_goes_by_the_extension(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    for name in ("t.csv", "t.parquet", "t.PQ"):
        write_table(frame, tmp_path / name)
        pd.testing.assert_frame_equal(read_table(tmp_path / name), frame)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.PQ", "t.csv", "t.parquet"]


@pytest.mark.parametrize(
    ("path", "fragment"),
    [("t.txt", r"\.csv or \.parquet"), ("no/t.csv", "no does not exist"), ("d.csv", "is a folder")],
)
def test_place_that_cannot_be_written(tmp_path: Path, path: str, fragment: str) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(OutputError, match=fragment):
        tables.check_writable(tmp_path / path)


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(OutputError, match=r"d\.csv: cannot be written: it is a folder.*--output"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "d.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["d.csv"]


FRAME = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": ["x", "y", "z"], "c": [True, False, True]})


def test_fingerprint_is_that_of_the_content() -> None:
    first = fingerprint(FRAME)
    assert (first["rows"], first["columns"]) == (3, 3)
    assert len(str(first["sha256"])) == 64
    assert fingerprint(FRAME.copy()) == first


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(a=[1.0, 2.0, 3.0]),
        FRAME.assign(a=[1.0, np.nextafter(2.0, 3.0), np.nan]),
        FRAME.assign(b=["x", "y", "Z"]),
        FRAME.assign(c=[True, True, True]),
        FRAME.rename(columns={"a": "A"}),
        FRAME[["b", "a", "c"]],
        FRAME.iloc[::-1].reset_index(drop=True),
        FRAME.iloc[:2],
    ],
)
def test_fingerprint_changes_with_the_content(other: pd.DataFrame) -> None:
    assert fingerprint(other)["sha256"] != fingerprint(FRAME)["sha256"]


@pytest.mark.parametrize(
    ("path", "stem"),
    [("a/b.csv", "b"), ("b.csv.gz", "b"), ("b.tar.parquet", "b"), ("part_*.csv", "part_")],
)
def test_stem_of(path: str, stem: str) -> None:
    assert tables.stem_of(path) == stem


def test_decimals_are_rounded_once(tmp_path: Path) -> None:
    texts = ["12345678901234.567", "98765432109876.543", "0.1", "-71234567890123.457"]
    values = pa.array(texts).cast(pa.decimal128(25, 3))
    parquet.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet")["a"].to_list() == [float(text) for text in texts]
