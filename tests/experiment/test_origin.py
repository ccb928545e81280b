"""A run whose table has changed: none of its rows is taken for another part than it was in."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.errors import RunError
from tftrain.experiment.evaluate import evaluate
from tftrain.experiment.gradcheck import check_config, trajectories
from tftrain.experiment.prepare import prepare
from tftrain.explain import explain
from tftrain.runs import Run

CHANGED = r"run: the data have changed since this run began \(.*{told}.*\): {remedy}"
BRING_BACK = r"bring the old data back, or train a new run\."


def table(rows: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "y"]).round(3)
    return frame.assign(part=np.array(["train", "validation", "test"])[rng.integers(0, 3, rows)])


def trained(path: Path, source: Any, **data: Any) -> Run:
    config = {
        "data": {"source": source, "target": "y", "features": ["a", "b"], **data},
        "model": {"hidden": [2]},
        "training": {"epochs": 2, "compile": "eager"},
    }
    return tftrain.train(
        config, data=table() if source == "dataframe" else None, output=path / "run"
    )


@pytest.fixture(scope="module")
def of_csv(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("csv")
    table().to_csv(path / "t.csv", index=False)
    return trained(path, {"kind": "csv", "path": str(path / "t.csv")})


@pytest.fixture(scope="module")
def of_frame(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("frame"), "dataframe")


CHANGES: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda frame: frame.sort_values("a"), "another order"),
    (lambda frame: table(60), "50 rows then, 60 now"),
    (lambda frame: frame.iloc[1:], "50 rows then, 49 now"),
    (lambda frame: frame.assign(c=1), "4 columns then, 5 now"),
    (lambda frame: frame.assign(y=frame.y + 1e-9), "other values"),
    (lambda frame: frame[["b", "a", "y", "part"]], "another order"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_a_changed_file_has_none_of_the_rows(of_csv: Run, change: Any, told: str) -> None:
    file = Path(of_csv.config.data.source.path)  # type: ignore[union-attr]
    kept = file.read_bytes()
    try:
        changed = change(table())
        changed.to_csv(file, index=False)
        remedy = "bring the old data back, or measure all rows of a file with --data FILE"
        for split in (None, "train", "validation", "test"):
            with pytest.raises(RunError, match=CHANGED.format(told=told, remedy=remedy)):
                evaluate(of_csv, split=split)
        prepared = prepare(of_csv.config)
        wanted = CHANGED.format(told=told, remedy=BRING_BACK)
        with pytest.raises(RunError, match=wanted):
            explain(prepared, run=of_csv)
        with pytest.raises(RunError, match=wanted):
            check_config(prepared, run=of_csv, modes=["eager"], dtypes=["float64"])
        with pytest.raises(RunError, match=wanted):
            trajectories(prepared, 1, run=of_csv, modes=["eager"], dtypes=["float64"])
        assert evaluate(of_csv, of_csv.read_table(file))["rows"] == len(changed)
    finally:
        file.write_bytes(kept)
    for part in ("train", "validation", "test"):  # the old data are back
        assert evaluate(of_csv, split=part)["mae"] == pytest.approx(of_csv.summary[part]["mae"])
    assert "THE ROW" in explain(prepare(of_csv.config), run=of_csv)


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_another_frame_has_none_of_the_rows(of_frame: Run, change: Any, told: str) -> None:
    for part in ("train", "validation", "test"):
        known = evaluate(of_frame, table(), part)["mae"]
        assert known == pytest.approx(of_frame.summary[part]["mae"])
        wanted = (
            rf"another table, so this one's {part} rows .*{told}.*leave out --split to measure all"
        )
        with pytest.raises(RunError, match=wanted):
            evaluate(of_frame, change(table()), part)
    with pytest.raises(RunError, match=BRING_BACK):
        explain(prepare(of_frame.config, change(table())), run=of_frame)
    assert evaluate(of_frame, change(table()))["rows"] == len(change(table()))


@pytest.mark.parametrize("index", [range(100, 150), [f"row {i}" for i in range(50)]])
def test_the_same_rows_under_other_names_are_the_same(of_frame: Run, index: Any) -> None:
    renamed = table().set_index(pd.Index(index))
    assert evaluate(of_frame, renamed, "test") == evaluate(of_frame, table(), "test")


def test_a_column_that_names_the_parts_is_believed_of_another_table(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    split = {"kind": "column", "column": "part"}
    run = trained(tmp_path, {"kind": "csv", "path": str(tmp_path / "t.csv")}, split=split)
    other = table(80).sort_values("a")
    for part in ("train", "validation", "test"):
        rows = other[other.part == part]
        assert evaluate(run, other, part) == pytest.approx(evaluate(run, rows))
    drawn = other.replace("validation", "train")  # so that validation rows are drawn from them
    assert evaluate(run, drawn, "test") == pytest.approx(evaluate(run, drawn[drawn.part == "test"]))
    for part in ("train", "validation"):
        with pytest.raises(RunError, match=f"this one's {part} rows are not known"):
            evaluate(run, drawn, part)
    other.to_csv(tmp_path / "t.csv", index=False)  # in the place of its own table
    with pytest.raises(RunError, match="50 rows then, 80 now"):
        evaluate(run, split="test")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1]", "list indices"),
        ("{}", "no entry 'data'"),
        ('{"data": null}', "not subscriptable"),
        ('{"data": {"rows": 50, "columns": 4}}', "no entry 'sha256'"),
        ('{"data": {"sha256": 7}}', "not a text"),
        ("[" * 100_000, "recursion"),
    ],
    ids=range(9),
)
def test_an_environment_that_does_not_say_which_table(
    of_frame: Run, tmp_path: Path, text: str | None, reason: str
) -> None:
    shutil.copytree(of_frame.path, tmp_path / "run")
    (tmp_path / "run/environment.json").unlink()
    if text is not None:
        (tmp_path / "run/environment.json").write_text(text)
    run = tftrain.load_run(tmp_path / "run")
    wanted = rf"environment\.json: does not say what table .*{reason}.*: "
    with pytest.raises(RunError, match=wanted + "leave out --split"):
        evaluate(run, table(), "test")
    with pytest.raises(RunError, match=wanted + "train a new run"):
        check_config(prepare(run.config, table()), run=run)
    assert evaluate(run, table())["rows"] == 50


def test_an_entry_of_the_fingerprint_that_was_changed(of_frame: Run, tmp_path: Path) -> None:
    shutil.copytree(of_frame.path, tmp_path / "run")
    path = tmp_path / "run/environment.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "data": {"sha256": told["data"]["sha256"]}}))
    with pytest.raises(RunError, match="None rows then, 50 now"):
        evaluate(tftrain.load_run(path.parent), table(), "test")
