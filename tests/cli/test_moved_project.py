"""Commands on the runs of a project that was moved, and on tables that are nowhere."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Outcome = tuple[int, str, str]
Tftrain = Callable[..., Outcome]

RUN = "moved/runs/houses/0001"
CHECKS = ("--modes", "graph", "--dtypes", "float64")
MORE = ("--set", "training.epochs=3", "--force", "--quiet", "--json")


@pytest.fixture
def moved(command: Tftrain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tftrain:
    """Return the command, beside the folder `moved`: a project that was trained elsewhere."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=40), "z": rng.normal(size=40)})
    project = tmp_path / "project"
    project.mkdir()
    frame.assign(y=frame.x * 2).to_csv(project / "houses.csv", index=False)
    (project / "houses.yaml").write_text(
        "data: {source: {kind: csv, path: houses.csv}, target: y}\n"
        "model: {hidden: 3}\ntraining: {epochs: 2, compile: graph}\n"
    )
    monkeypatch.chdir(project)
    assert command("train", "houses.yaml", "--quiet")[0] == 0
    monkeypatch.chdir(tmp_path)
    project.rename("moved")
    return command


def test_a_moved_project_has_its_table(moved: Tftrain, tmp_path: Path) -> None:
    summary = json.loads(Path(RUN, "summary.json").read_text())
    code, out, _ = moved("evaluate", RUN, "--json")
    assert code == 0
    assert json.loads(out) == pytest.approx(summary["test"], rel=1e-5)
    assert moved("explain", RUN)[0] == 0
    assert moved("gradcheck", "--run", RUN, *CHECKS)[0] == 0
    code, out, _ = moved("resume", RUN, *MORE)
    assert (code, json.loads(out)["epochs"]) == (0, 3)
    assert str(tmp_path / "moved/houses.csv") in Path(RUN, "config.yaml").read_text()


def test_a_table_that_is_nowhere_gets_the_remedy_of_the_command(moved: Tftrain) -> None:
    shutil.move("moved/houses.csv", "there.csv")
    by_set = "if it was moved, name it with --set data.source.path=FILE"
    for remedy, *command in (
        ("name a table with --data FILE: all of its rows are measured", "evaluate", RUN),
        (by_set, "explain", RUN),
        (by_set, "gradcheck", "--run", RUN, *CHECKS),
        (by_set, "resume", RUN, *MORE),
    ):
        code, out, err = moved(*command)
        assert (code, out) == (2, "")
        assert "project/houses.csv: no such file" in err
        assert err.endswith(f"; {remedy}\n")
    there = ("--set", "data.source.path=there.csv")
    assert moved("evaluate", RUN, "--data", "there.csv")[0] == 0
    assert moved("explain", RUN, *there)[0] == 0
    assert moved("gradcheck", "--run", RUN, *CHECKS, *there)[0] == 0
    assert moved("resume", RUN, *MORE, *there)[0] == 0
    assert moved("evaluate", RUN)[0] == 0  # the run has kept the new place


def test_a_folder_of_runs_names_the_runs(moved: Tftrain) -> None:
    for folder in ("moved/runs/houses", "moved/runs", "moved/runs/houses/0002"):
        for command in (
            ("predict", folder, "--data", "moved/houses.csv"),
            ("evaluate", folder),
            ("resume", folder),
            ("gradcheck", "--run", folder),
        ):
            code, _, err = moved(*command)
            assert code == 2
            assert err.startswith(f"error: {folder}: not a run directory")
            assert err.endswith(f"the last one last: {RUN}\n")
    assert moved("explain", "moved/runs")[2].endswith(f"the last one last: {RUN}\n")
    code, _, err = moved("gradcheck", RUN)
    assert (code, err) == (2, f"error: {RUN}: is a run; check it with --run {RUN}\n")
