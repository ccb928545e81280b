"""Tables that somebody wrote to do harm: a clean error or the right values, in little memory."""

import codecs
import gzip
import io
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tftrain import memory
from tftrain.data import csv_text, limits
from tftrain.data.columns import matching
from tftrain.data.sniff import as_patterns, sniff
from tftrain.data.sources import csv, read_table
from tftrain.data.sources.csv import read_csv
from tftrain.data.sources.parquet import read_parquet
from tftrain.errors import DataError
from tftrain.memory import Limit

GIB = 1 << 30

ALONE = """
import resource, sys
from tftrain.data.sniff import sniff
from tftrain.data.sources.csv import read_csv
from tftrain.errors import DataError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (read_csv, sniff):
    try:
        read(sys.argv[1])
    except DataError as error:
        print(str(error)[:300])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("start", [b"", b"x,y\n1,2\n", b'"', b'x,y\n"'], ids=range(4))
def test_a_line_of_a_gibibyte(tmp_path: Path, start: bytes) -> None:
    """The file has a hole: it takes no room on the disk, and reads as null characters."""
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(GIB)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *messages, megabytes = done.stdout.splitlines()
    assert len(messages) == 2
    assert all(message.startswith(str(path)) for message in messages)
    assert int(megabytes) < 400


def test_no_codec_is_at_work_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's end would find it in a thread of Arrow, and crash or wait for ever."""
    at_work: list[bytes] = []

    class Slow(codecs.IncrementalDecoder):
        def decode(self, data: Any, final: bool = False) -> str:
            at_work.append(bytes(data[:9]))
            time.sleep(0.003)
            at_work.pop()
            return bytes(data).decode("ascii")

    slow = codecs.CodecInfo(
        codecs.ascii_encode, codecs.ascii_decode, incrementaldecoder=Slow, name="slow"
    )
    monkeypatch.setattr(csv, "BLOCK_BYTES", (1 << 12, 1 << 30))
    monkeypatch.setattr(csv, "_explain_csv", lambda *_: None)  # in which they would end
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1" * 20_000)

    def known(name: str) -> codecs.CodecInfo | None:
        return slow if name == "slow" else None

    codecs.register(known)
    try:
        for _ in range(60):  # in threads, it would be at work in a tenth to a third of them
            with pytest.raises(DataError, match="straddling"):
                read_csv(path, encoding="slow")
            assert at_work == []
    finally:
        codecs.unregister(known)


def test_a_header_that_goes_on_and_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "MAX_RECORD", 1000)
    path = tmp_path / "t.csv"
    for piece in ("a,", '"\n",'):  # on one line, and on many
        path.write_text(piece * 1000)
        with pytest.raises(DataError, match=r"t\.csv: the row after line \d+ has over 1,000 char"):
            read_csv(path)
    path.write_text("x,y\n" + "1,2\n" * 999)
    assert len(read_csv(path)) == 999


def test_too_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a," * 100_000 + "b\n")
    with pytest.raises(DataError, match=r"t\.csv: has 100,001 columns, but 100,000 at most"):
        read_csv(path)


def test_ten_thousand_columns(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(10_000)]
    values = np.random.default_rng(0).integers(0, 99, (20, len(names)))
    frame = pd.DataFrame(values, columns=names)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), frame)


@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_a_name_without_end(tmp_path: Path, file: str) -> None:
    frame = pd.DataFrame({"a": [1], "n" * 10_001: [2]})
    frame.to_csv(tmp_path / file, index=False) if "csv" in file else frame.to_parquet(
        tmp_path / file
    )
    with pytest.raises(DataError, match="column 2 has a name of 10,001 characters"):
        read_table(tmp_path / file)


ODD = [
    "=1+1", "@SUM(A1)", "<script>alert(1)</script>", "[red]x[/red]", "\x1b[31mred", "../../x",
    "a/b", "\0", "a\nb", "\u202egnp", "# x", "null", "1", "é", "e\u0301", "🙂", "$rows", "{0}",
    "%s",
]  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_odd_names_are_kept(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({name: [i, i + 1] for i, name in enumerate(ODD)})
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        text = ",".join('"' + name.replace('"', '""') + '"' for name in ODD)
        rows = frame.to_csv(index=False, header=False, lineterminator="\n")
        path.write_text(f"{text}\n{rows}", encoding="utf-8")
    pd.testing.assert_frame_equal(read_table(path), frame)
    pd.testing.assert_frame_equal(sniff(path).frame, frame)


@pytest.mark.parametrize("name", ["t.csv.gz", ".gz"])
def test_a_small_file_that_unpacks_to_more_than_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * 10_000_000))
    assert len(read_csv(path)) == 10_000_000
    monkeypatch.setattr(csv, "BLOCK_BYTES", (1 << 20, 1 << 30))
    for most in (1 << 24, 1 << 26):  # less than the text, less than its numbers
        monkeypatch.setattr("tftrain.memory.limit", lambda most=most: Limit(most, "we have"))
        says = rf"/{re.escape(name)}: is larger than the \d+\.0 MiB of memory that we have; take"
        with pytest.raises(DataError, match=says):
            read_csv(path)


def test_memory_is_that_of_the_machine() -> None:
    assert 1 << 28 < memory.limit().size < 1 << 50
    limits.require_memory(1 << 20)
    with pytest.raises(DataError, match="of memory that"):
        limits.require_memory(1e30)


def test_a_parquet_file_of_more_values_than_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    for table in ({"a": [1] * 1000}, {"a": [[1] * 1000]}, {"a": [{"b": [1] * 1000}]}):
        parquet.write_table(pa.table(table), path)
        monkeypatch.setattr("tftrain.memory.limit", lambda: Limit(9000, "we have"))
        assert len(read_parquet(path)) == len(table["a"])
        monkeypatch.setattr("tftrain.memory.limit", lambda: Limit(7000, "we have"))
        with pytest.raises(DataError, match=r"t\.parquet: is larger than the 6\.8 KiB"):
            read_parquet(path)


def broken_strings(rows: int) -> pa.Array:
    """Return an array that says it holds text, and holds bytes that are none."""
    return pa.Array.from_buffers(
        pa.string(), rows, pa.array([b"\xff\xfe"] * rows, pa.binary()).buffers()
    )


@pytest.mark.parametrize(
    ("column", "fragment"),
    [
        (broken_strings(3), "not a whole Parquet file: "),
        (pa.array([0, 1, 2], pa.timestamp("us", "Mars/Base")), "'a' of the type timestamp"),
    ],
)
def test_values_that_no_table_can_hold(tmp_path: Path, column: pa.Array, fragment: str) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": column, "b": [1, 2, 3]}), path)
    with pytest.raises(DataError, match=r"t\.parquet: ") as caught:
        read_parquet(path)
    assert fragment in str(caught.value)


def test_a_parquet_file_with_a_name_that_is_no_text(tmp_path: Path) -> None:
    out = io.BytesIO()
    parquet.write_table(pa.table({"abcdefgh": [1, 2]}), out, store_schema=False)
    path = tmp_path / "t.parquet"
    path.write_bytes(out.getvalue().replace(b"abcdefgh", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"))
    with pytest.raises(DataError, match=r"t\.parquet: not a whole Parquet file"):
        read_parquet(path)


@pytest.mark.parametrize(
    ("path", "fragment"),
    [("a" * 300 + ".csv", "File name too long"), ("**/**/t.csv", "once")],
)
def test_paths_that_cannot_be(path: str, fragment: str) -> None:
    with pytest.raises(DataError, match=fragment):
        read_csv(path)


def test_long_cells_and_names_make_short_messages(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{'n' * 5000},{'n' * 5000}\n1,2\n")
    with pytest.raises(DataError, match="two columns are called") as caught:
        read_csv(path)
    assert len(str(caught.value)) < 300


def test_names_of_wide_tables_become_patterns_quickly() -> None:
    began = time.monotonic()
    names = [f"s_{i}_{i % 7}" for i in range(10_000)]
    assert as_patterns(names, names) == names
    assert as_patterns(names, [*names, "s_x"]) == names
    deep = [f"{'a_' * (i % 300)}{i}" for i in range(10_000)]
    assert set(as_patterns(deep, deep)) <= {*deep, *(f"{'a_' * i}*" for i in range(300))}
    assert matching(names, names) == set(names)
    assert time.monotonic() - began < 20


def test_a_prefix_that_would_be_a_pattern_itself() -> None:
    names = ["a[1]_x", "a[1]_y", "a[1]_z"]
    assert as_patterns(names, [*names, "a1_x"]) == names
