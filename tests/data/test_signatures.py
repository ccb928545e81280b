"""Files of other formats, written by the libraries that they belong to where there is one."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, orc, parquet

from tftrain.data.sniff import sniff
from tftrain.data.sources import read_table
from tftrain.data.sources.csv import read_csv
from tftrain.errors import DataError

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
ARROW = pa.Table.from_pandas(FRAME)


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "application/vnd.oasis.opendocument.spreadsheet")
    return out.getvalue()


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as base:
        base.execute("create table t (a, b)")
        return base.serialize()


def stream(out: io.BytesIO) -> None:
    with pa.ipc.new_stream(out, ARROW.schema) as writer:
        writer.write_table(ARROW)


def tar(out: io.BytesIO) -> None:
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("t.csv"))


FOREIGN = [
    ("an Excel workbook (xlsx)", zipped("[Content_Types].xml", "xl/workbook.xml"), "as CSV"),
    ("an Excel workbook (xlsx)", zipped("docProps/app.xml", "xl/workbook.xml"), "as CSV"),
    ("a spreadsheet (ods)", zipped("mimetype"), "as CSV"),
    ("a zip archive", zipped("t.csv"), "unpack"),
    ("an Excel workbook (xls)", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "as CSV"),
    ("an xz archive", lzma.compress(b"a,b\n1,2\n"), "unpack"),
    ("a 7z archive", b"7z\xbc\xaf\x27\x1c" + bytes(30), "unpack"),
    ("a tar archive", written(tar), "unpack"),
    ("a Feather", written(lambda out: feather.write_feather(ARROW, out)), "read_feather"),
    ("a Feather", b"FEA1" + bytes(8), "read_feather"),
    ("an Arrow stream", written(stream), "to_parquet"),
    ("an ORC file", written(lambda out: orc.write_table(ARROW, out)), "read_orc"),
    ("an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(90), "read_hdf"),
    ("an SQLite database", sqlite(), "read_sql"),
    ("a pickle", pickle.dumps(FRAME), "to_parquet"),
    ("a Stata file", written(lambda out: FRAME.to_stata(out, version=114)), "read_stata"),
    ("a Stata file", written(lambda out: FRAME.to_stata(out, version=118)), "read_stata"),
    ("a NumPy array", written(lambda out: np.save(out, np.ones(3))), "savetxt"),
    ("an SPSS file", b"$FL2@(#) SPSS DATA FILE", "read_spss"),
    ("a SAS file", bytes(12) + b"\xc2\xea\x81\x60\xb3\x14" + bytes(90), "read_sas"),
    ("an R data file", b"RDX3\nX\n\0\0\0\x03", "write.csv"),
    ("an HTML page", b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", "download"),
    ("an HTML page", FRAME.to_html().encode(), "download"),
    ("an XML document", b"<?xml version='1.0'?><a/>", "read_xml"),
    ("JSON", FRAME.to_json().encode(), "read_json"),
    ("JSON", FRAME.to_json(orient="records", indent=2).encode(), "read_json"),
    ("JSON", FRAME.to_json(orient="records", lines=True).encode(), "read_json"),
    ("JSON", json.dumps([[1, 2], [3, 4]]).encode(), "read_json"),
    ("an ARFF file", b"% iris\n\n@RELATION iris\n@ATTRIBUTE a NUMERIC\n", "as CSV"),
]


@pytest.mark.parametrize(("what", "data", "remedy"), FOREIGN, ids=range(len(FOREIGN)))
@pytest.mark.parametrize("name", ["t.csv", "t"])
def test_another_format_is_named_with_what_to_do(
    tmp_path: Path, what: str, data: bytes, remedy: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for read in (read_csv, read_table, sniff):
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: is {what}")
        assert remedy in str(caught.value)


def test_another_format_inside_of_a_compressed_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(FRAME.to_json().encode()))
    for read in (read_csv, sniff):
        with pytest.raises(DataError, match=r"t\.csv\.gz: is JSON, not a CSV table"):
            read(path)


def test_a_zip_archive_that_is_called_gz(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(zipped("t.csv"))
    with pytest.raises(DataError, match="is a zip archive"):
        read_csv(path)


@pytest.mark.parametrize("name", ["t", "t.csv", "t.dat"])
def test_parquet_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    parquet.write_table(ARROW, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), FRAME)
    pd.testing.assert_frame_equal(sniff(tmp_path / name).frame, FRAME)
    with pytest.raises(DataError, match=r"is a Parquet file, .* kind: parquet"):
        read_csv(tmp_path / name)


@pytest.mark.parametrize("name", ["t", "t.csv"])
@pytest.mark.parametrize("pack", ["gzip", "bz2", "zstd", "lz4"])
def test_compressed_files_are_read_whatever_they_are_called(
    tmp_path: Path, name: str, pack: str
) -> None:
    path = tmp_path / name
    with pa.CompressedOutputStream(str(path), pack) as out:
        out.write(FRAME.to_csv(index=False).encode())
    pd.testing.assert_frame_equal(read_table(path), FRAME)
    pd.testing.assert_frame_equal(sniff(path).frame, FRAME)


NAMES = [
    "PAR1",
    "PARENT",
    "ORC",
    "BZh9",
    "FEA1",
    "Rar",
    "species,DUCK",
    "A",
    "RDX3",
    "[red]",
    "{0}",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_like_the_mark_of_a_format_is_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    others = "" if name in ("A", "RDX3") else ",y"
    row = ",".join("2" for _ in (name + others).split(","))
    path.write_text(f"{name}{others}\n{row}\n{row}\n")
    assert ",".join(read_table(path)).startswith(name)


def test_the_end_of_a_bzip2_file_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(bz2.compress(b""))
    with pytest.raises(DataError, match="no table"):
        read_csv(path)
