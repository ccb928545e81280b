"""New tables for a run: written like its own or not, they give the same predictions."""

import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.errors import ConfigError, DataError
from tftrain.memory import Limit
from tftrain.runs import Run
from tftrain.runs.reading import read_for

RNG = np.random.default_rng(3)
TABLE = pd.DataFrame(
    {"größe": RNG.normal(size=40).round(3), "ort": RNG.choice(["Köln", "Bonn, West"], 40)}
).assign(y=lambda table: 4 * table["größe"] + (table["ort"] == "Köln"))


def trained(path: Path, **source: Any) -> Run:
    return tftrain.train(
        {
            "data": {
                "source": {"kind": "csv", "path": str(path / "t.csv"), **source},
                "target": "y",
            },
            "model": "linear",
            "training": {"epochs": 2},
        },
        output=path / "run",
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("german")
    TABLE.to_csv(path / "t.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    return trained(path, delimiter=";", decimal=",", encoding="cp1252")


def same(run: Run, frame: pd.DataFrame) -> None:
    np.testing.assert_array_equal(run.predict(frame), run.predict(TABLE))


WAYS = [
    {"sep": ";", "decimal": ",", "encoding": "cp1252"},
    {"sep": ";", "decimal": ",", "encoding": "utf-8"},
    {"sep": ";", "decimal": ",", "encoding": "utf-8-sig"},
    {"sep": ";", "decimal": ".", "encoding": "cp1252"},
    {"sep": ",", "decimal": ".", "encoding": "utf-8"},
    {"sep": ",", "decimal": ".", "encoding": "cp1252"},
    {"sep": "\t", "decimal": ",", "encoding": "utf-16"},
    {"sep": ",", "quotechar": "'", "encoding": "utf-8"},
    {"sep": ";", "decimal": ",", "encoding": "cp1252", "compression": "gzip"},
]


@pytest.mark.parametrize("way", WAYS)
def test_the_new_files_own_dialect_is_found(run: Run, tmp_path: Path, way: dict[str, Any]) -> None:
    TABLE.to_csv(tmp_path / "new", index=False, **way)
    same(run, run.read_table(tmp_path / "new"))
    lines = (tmp_path / "new").read_bytes()
    if way["encoding"] == "utf-8":
        (tmp_path / "new").write_bytes(b"# a line above\n" + lines)
        same(run, run.read_table(tmp_path / "new"))


def test_parquet_by_its_first_bytes(run: Run, tmp_path: Path) -> None:
    TABLE.to_parquet(tmp_path / "new.csv")
    same(run, run.read_table(tmp_path / "new.csv"))
    with pytest.raises(ConfigError, match=r"is a Parquet file, .*data\.source\.delimiter"):
        run.read_table(tmp_path / "new.csv", ["data.source.delimiter=,"])


def test_the_marks_of_missing_values_stay_those_of_the_run(tmp_path: Path) -> None:
    TABLE.assign(größe=TABLE["größe"].astype(str).where(TABLE.index != 3, "?")).to_csv(
        tmp_path / "t.csv", index=False
    )
    run = trained(tmp_path, missing_values=["?"])
    (tmp_path / "new.csv").write_text("größe;ort;y\n?;Köln;1\n2,5;Köln;1\n1,5;Köln;1\n")
    frame = run.read_table(tmp_path / "new.csv")
    whole = run.predict(pd.DataFrame({"größe": [2.5, 1.5], "ort": ["Köln"] * 2}))
    np.testing.assert_array_equal(run.predict(frame)[1:], whole)
    missing = run.predict(pd.DataFrame({"größe": [None], "ort": ["Köln"]}))
    np.testing.assert_array_equal(run.predict(frame)[0], missing[0])


def test_what_is_set_holds(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("größe;ort\n1,5;Köln\n2,5;Köln\n")
    assert run.read_table(path)["größe"].to_list() == [1.5, 2.5]
    with pytest.raises(DataError, match="one column found with delimiter"):
        run.read_table(path, ["data.source.delimiter='|'"])
    with pytest.raises(DataError, match="'größe' must hold numbers, but row 1 holds '1,5'"):
        run.read_table(path, ["data.source.decimal=."])
    path.write_text("x\n\ngröße|ort\n1,5|Köln\n")
    set_by_hand = ["data.source.delimiter='|'", "data.source.skip_rows=1"]
    assert run.read_table(path, set_by_hand)["größe"].to_list() == [1.5]


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("optimizer.kind=sgd", "only keys of data.source"),
        ("data.source.path=x.csv", "only keys of data.source"),
        ("data.source.kind=parquet", "only keys of data.source"),
        ("data.source={kind: csv}", "only keys of data.source"),
        ("data.source.delimter=,", "did you mean delimiter?"),
        ("data.source.quote=ab", "data.source.quote"),
    ],
)
def test_what_cannot_be_set(run: Run, tmp_path: Path, override: str, fragment: str) -> None:
    TABLE.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(ConfigError) as caught:
        run.read_table(tmp_path / "new.csv", [override])
    assert fragment in str(caught.value)


def test_columns_that_the_model_does_not_read_do_not_matter(run: Run, tmp_path: Path) -> None:
    odd = pd.concat([TABLE, pd.DataFrame(np.ones((40, 3)), columns=["", "z", "z"])], axis=1)
    odd.to_csv(tmp_path / "new.csv", sep=";", decimal=",", encoding="cp1252")
    same(run, run.read_table(tmp_path / "new.csv"))
    same(run, odd)
    twice = pd.concat([TABLE, TABLE[["ort"]]], axis=1)
    with pytest.raises(DataError, match="two columns are called 'ort'"):
        run.predict(twice)


def test_a_column_without_a_name_that_the_model_reads(tmp_path: Path) -> None:
    TABLE.rename(columns={"größe": ""}).to_csv(tmp_path / "t.csv", index=False)
    run = trained(tmp_path)
    assert {column.name for column in run.columns} == {"column_1", "ort"}
    (tmp_path / "new.csv").write_text(",ort\n1,Köln\n2,Köln\n3,Köln\n")  # like row numbers
    assert np.unique(run.predict(run.read_table(tmp_path / "new.csv"))).shape == (3,)


def test_kept_columns_come_out_as_they_went_in(run: Run, tmp_path: Path) -> None:
    ids = [f"{i:03}" for i in range(38)] + ["12345678901234567890", "NA"]
    TABLE.assign(id=ids).to_csv(tmp_path / "new.csv", index=False)
    frame, kept = read_for(run, tmp_path / "new.csv", keep=["id", "größe"])
    assert kept["id"].to_list() == ids
    assert kept["größe"].to_list() == [str(value) for value in TABLE["größe"]]
    table = run.predict_table(frame, kept)
    assert list(table) == ["id", "größe", "predicted_y"]
    np.testing.assert_array_equal(table["predicted_y"], run.predict(TABLE))
    out = io.StringIO()
    table.to_csv(out, index=False)
    assert out.getvalue().splitlines()[1].startswith("000,")
    renamed = kept.rename(columns={"id": "predicted_y"})
    with pytest.raises(DataError, match="'predicted_y' cannot be kept"):
        run.predict_table(frame, renamed)
    with pytest.raises(DataError, match="has no column 'ids', did you mean id"):
        read_for(run, tmp_path / "new.csv", keep=["ids"])


@pytest.mark.parametrize("name", ["new.csv", "new.parquet"])
def test_no_rows(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    TABLE[:0].to_parquet(path) if "parquet" in name else TABLE[:0].to_csv(path, index=False)
    frame, kept = read_for(run, path, keep=["ort"])
    table = run.predict_table(frame, kept)
    assert (list(table), len(table)) == (["ort", "predicted_y"], 0)


class Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    out = io.BytesIO()
    TABLE.to_parquet(out) if kind == "parquet" else TABLE.to_csv(out, index=False)
    monkeypatch.setattr(sys, "stdin", Stdin(out.getvalue()))
    same(run, run.read_table("-"))
    monkeypatch.setattr(sys, "stdin", Stdin(b"a,b\n1,2\n1,2,3\n"))
    with pytest.raises(DataError, match=r"^standard input:3: 3 values"):
        run.read_table("-")


def test_a_pipe(run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = TABLE.to_csv(index=False).encode()
    writer = threading.Thread(target=lambda: pipe.write_bytes(data))
    writer.start()
    same(run, run.read_table(pipe))
    writer.join()


def test_no_more_than_memory_from_a_pipe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"a" * 3_000_000))
    monkeypatch.setattr("tftrain.memory.limit", lambda: Limit(1_000_000, "this machine has"))
    with pytest.raises(DataError, match="standard input: is larger than"):
        run.read_table("-")


def test_marks_of_thousands_and_fraction_change_together(tmp_path: Path) -> None:
    """1.403 is a fraction in a file whose decimal mark is the point, whatever training's was."""
    texts = [f"1.{i:03},50" for i in range(60)]
    rows = [f"{text};{i % 7},5;{i}" for i, text in enumerate(texts)]
    (tmp_path / "t.csv").write_text("\n".join(["x;z;y", *rows]) + "\n")
    source = {"kind": "csv", "path": str(tmp_path / "t.csv"), "delimiter": ";", "decimal": ","}
    config = {"data": {"source": source, "target": "y"}, "training": {"epochs": 1}}
    run = tftrain.train(config, output=tmp_path / "run")
    expected = run.predict(pd.DataFrame({"x": [1.403, 1403.5], "z": [0.5, 1.5]}))
    (tmp_path / "point.csv").write_text('x,z\n1.403,0.5\n"1,403.5",1.5\n')
    (tmp_path / "comma.csv").write_text("x;z\n1,403;0,5\n1.403,5;1,5\n")
    for name in ("point.csv", "comma.csv"):
        found = run.predict(run.read_table(tmp_path / name))
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_dates_and_marks_of_a_new_file_are_read_as_set(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-05", periods=60, freq="9D")
    frame = pd.DataFrame({"d": days.strftime("%d/%m/%Y"), "y": range(60)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    config = {
        "data": {"source": {"kind": "csv", "path": str(tmp_path / "t.csv")}, "target": "y"},
        "training": {"epochs": 1},
    }
    run = tftrain.train(config, output=tmp_path / "run")
    (tmp_path / "new.csv").write_text("d\n03/04/2020\n?\n")
    sets = ["data.source.date_format=%m/%d/%Y", "data.source.missing_values=['?']"]
    found = run.predict(run.read_table(tmp_path / "new.csv", sets))
    moments = pd.DataFrame({"d": [pd.Timestamp("2020-03-04"), pd.NaT]})
    np.testing.assert_array_equal(found, run.predict(moments))
