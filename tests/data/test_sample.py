"""Samples of large tables, against the whole of them."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tftrain.data import sample, sniff
from tftrain.data.columns import Conventions
from tftrain.data.dialect import find_dialect
from tftrain.data.sample import sample_csv, sample_parquet
from tftrain.data.sources.csv import read_csv

ROWS = 20_000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "PIECE_BYTES", 1 << 15)
    monkeypatch.setattr(sample, "SAMPLE_VALUES", 1000)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row": np.arange(ROWS),
            "x": rng.normal(size=ROWS).round(4),
            "text": rng.choice(["a", "b, c", 'say "d"', "two\nlines", "\n\n,,,\n"], ROWS),
        }
    )


def check(found: sample.Sample, whole: pd.DataFrame) -> None:
    """The rows of a sample must be rows of the table, from all parts of it."""
    assert not found.whole
    assert found.rows == pytest.approx(ROWS, rel=0.05)
    rows = found.frame["row"].to_numpy()
    assert len(rows) < ROWS / 3
    pd.testing.assert_frame_equal(
        found.frame.reset_index(drop=True), whole.iloc[rows].reset_index(drop=True)
    )
    known = found.frame.index >= 0
    np.testing.assert_array_equal(found.frame.index[known], rows[known])
    assert (np.diff(rows) > 0).all()


def test_the_beginning_the_middle_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False)
    found = sample_csv(path)
    check(found, table())
    rows = found.frame["row"]
    assert rows.iloc[0] == 0
    assert rows.iloc[-1] == ROWS - 1
    assert rows.between(0.4 * ROWS, 0.6 * ROWS).sum() > 100


def test_another_dialect(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    text = table().to_csv(index=False, sep=";", decimal=",", quotechar="'")
    path.write_bytes(("# c\n" + text.replace('"d"', "'ü'")).encode("cp1252"))
    options = find_dialect(path)
    assert options == {
        "delimiter": ";", "decimal": ",", "quote": "'", "comment": "#", "encoding": "cp1252"
    }  # fmt: skip
    check(sample_csv(path, **options), read_csv(path, **options))


def test_a_compressed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow unpacks 64 KiB at a time: this is how exact the estimate can be."""
    monkeypatch.setattr(sample, "PIECE_BYTES", 1 << 16)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(table().to_csv(index=False).encode()))
    found = sample_csv(path)
    assert not found.whole
    assert 0.5 * ROWS < found.rows < 1.5 * ROWS
    assert found.frame["row"].to_list() == list(range(len(found.frame)))


def test_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False, encoding="utf-16")
    options = find_dialect(path)
    assert options["encoding"] == "utf-16"
    found = sample_csv(path, **options)
    assert found.frame["row"].iloc[0] == 0
    assert (np.diff(found.frame["row"]) > 0).all()


def test_a_small_table_is_read_whole(tmp_path: Path) -> None:
    table()[:50].to_csv(tmp_path / "t.csv", index=False)
    table()[:50].to_parquet(tmp_path / "t.parquet")
    for found in (sample_csv(tmp_path / "t.csv"), sample_parquet(tmp_path / "t.parquet")):
        assert found.whole
        assert found.rows == 50
        assert list(found.frame.index) == list(range(50))


def test_many_files(tmp_path: Path) -> None:
    for i in range(10):
        part = table()[i * ROWS // 10 : (i + 1) * ROWS // 10]
        part.to_csv(tmp_path / f"p{i}.csv", index=False)
    found = sample_csv(tmp_path / "p*.csv")
    assert not found.whole
    assert found.rows == pytest.approx(ROWS, rel=0.05)
    assert found.frame["row"].iloc[0] == 0
    assert found.frame["row"].max() > 0.9 * ROWS


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table().to_parquet(path, row_group_size=3000)
    found = sample_parquet(path)
    assert (found.whole, found.rows) == (False, ROWS)
    np.testing.assert_array_equal(found.frame.index, found.frame["row"])
    assert found.frame["row"].max() >= 18_000
    assert len(found.frame) < 4000


def test_a_row_that_is_broken_in_the_middle_does_not_hide_the_rest(tmp_path: Path) -> None:
    lines = table().to_csv(index=False).replace("\n\n,,,\n", "e").splitlines()
    lines[len(lines) // 2] += ",1,2"
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    found = sample_csv(tmp_path / "t.csv")
    assert not found.whole
    assert found.rows == pytest.approx(ROWS, rel=0.2)


def test_init_reads_no_more_than_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    frame = table().astype({"x": str})
    frame.loc[5, "x"] = "?"
    frame.to_csv(path, index=True)
    monkeypatch.setattr(sample, "read_csv", lambda *_, **__: pytest.fail("reads all of it"))
    found = sniff.sniff(path)
    assert not found.whole
    assert list(found.frame) == ["row", "x", "text"]
    assert "row numbers" in found.frame.attrs["notes"][0]
    marks = sniff.missing_marks(found.frame, Conventions(typed=False))
    assert marks == {"?": "'?' in row 6 of x"}
