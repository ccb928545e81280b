"""`tftrain predict` and its kin: streams, kept columns, and files that are never written over."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tftrain.cli.main import run

Tftrain = Callable[..., tuple[int, str, str]]

CONFIG = """\
data: {source: {kind: csv, path: t.csv}, target: y}
model: linear
training: {epochs: 1}
"""


def table() -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=30).round(3)
    return pd.DataFrame({"id": [f"{i:03}" for i in range(30)], "x": x, "y": 2 * x})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("trained")
    table()[["x", "y"]].to_csv(folder / "t.csv", index=False)
    (folder / "t.yaml").write_text(CONFIG)
    assert run(["train", str(folder / "t.yaml"), "--quiet", "--output", str(folder / "run")]) == 0
    return str(folder / "run")


WRITTEN = table().to_csv(index=False)


@pytest.fixture
def inputs(command: Tftrain) -> Tftrain:
    """Return the command, in a folder with a table and links to it."""
    Path("t.csv").write_text(WRITTEN)
    Path("linked.csv").symlink_to("t.csv")
    os.link("t.csv", "hard.csv")
    Path("out.csv.part").write_text(WRITTEN)
    Path("sub").mkdir()
    return command


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize(
    ("data", "output"),
    [
        ("t.csv", "t.csv"),
        ("t.csv", "./t.csv"),
        ("t.csv", "sub/../t.csv"),
        ("t.csv", "linked.csv"),
        ("linked.csv", "t.csv"),
        ("linked.csv", "linked.csv"),
        ("t.csv", "hard.csv"),
        ("t*.csv", "t.csv"),
        ("[ht]*.csv", "hard.csv"),
        ("out.csv.part", "out.csv"),
    ],
)
def test_the_input_is_never_written_over(
    inputs: Tftrain, trained: str, data: str, output: str, force: list[str]
) -> None:
    before = sorted(os.listdir())
    code, out, err = inputs("predict", trained, "--data", data, "--output", output, *force)
    assert (code, out) == (2, "")
    assert f"{Path(output)}: is what is read, and is never written over" in err
    assert sorted(os.listdir()) == before
    for name in ("t.csv", "linked.csv", "hard.csv", "out.csv.part"):
        assert Path(name).read_text() == WRITTEN


def test_nor_through_standard_input(inputs: Tftrain, trained: str) -> None:
    for data in ("-", "/dev/stdin"):
        with open("t.csv", "rb") as stdin:
            done = subprocess.run(
                [sys.executable, "-m", "tftrain", "predict", trained, "--data", data,
                 "--output", "hard.csv", "--force"],
                stdin=stdin, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
        assert done.returncode == 2
        assert "hard.csv: is what is read" in done.stderr
        assert Path("t.csv").read_text() == WRITTEN


def test_another_file_is_written_over_only_when_forced(inputs: Tftrain, trained: str) -> None:
    Path("old.csv").write_text("mine")
    arguments = ("predict", trained, "--data", "t.csv", "--output", "old.csv")
    code, _, err = inputs(*arguments)
    assert code == 2
    assert "old.csv: exists already; name another with --output, or add --force" in err
    assert Path("old.csv").read_text() == "mine"
    assert inputs(*arguments, "--force")[0] == 0
    assert len(pd.read_csv("old.csv")) == 30


def test_init_and_gradcheck_write_over_neither(inputs: Tftrain, trained: str) -> None:
    for force in ([], ["--force"]):
        for output in ("t.csv", "hard.csv"):
            flags = ("--target", "y", "--output", output, *force)
            code, _, err = inputs("init", "t.csv", *flags)
            assert code == 2
            assert f"{output}: is what is read" in err
        Path("t.yaml").write_text(CONFIG)
        code, _, err = inputs("gradcheck", "t.yaml", "--json", "t.yaml", *force)
        assert code == 2
        assert "t.yaml: is what is read, and is never written over" in err
        assert "--json" in err
        assert Path("t.yaml").read_text() == CONFIG
    Path("old.json").write_text("mine")
    code, _, err = inputs("gradcheck", "t.yaml", "--json", "old.json")
    assert code == 2
    assert "old.json: exists already; name another with --json, or add --force" in err
    assert Path("t.csv").read_text() == WRITTEN


def test_kept_columns_stand_in_front(inputs: Tftrain, trained: str) -> None:
    for output in ([], ["--output", "-"], ["--output", "new.csv"]):
        code, out, _ = inputs("predict", trained, "--data", "t.csv", "--keep", "id", *output)
        assert code == 0
        text = Path("new.csv").read_text() if output[-1:] == ["new.csv"] else out
        assert text.splitlines()[0] == "id,predicted_y"
        assert [line.split(",")[0] for line in text.splitlines()[1:]] == list(table()["id"])


def test_standard_input_and_output(inputs: Tftrain, trained: str) -> None:
    _, expected, _ = inputs("predict", trained, "--data", "t.csv", "--keep", "id")
    program = [sys.executable, "-m", "tftrain"]
    done = subprocess.run(
        [*program, "predict", trained, "--data", "-", "--keep", "id", "--output", "-"],
        input=WRITTEN.replace(",", ";"), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_a_header_alone_gives_a_header_alone(inputs: Tftrain, trained: str) -> None:
    Path("none.csv").write_text("x,y,id\n")
    code, out, _ = inputs("predict", trained, "--data", "none.csv", "--keep", "id")
    assert (code, out) == (0, "id,predicted_y\n")
    Path("other.csv").write_text("a,b\n")
    assert "'x'" in inputs("predict", trained, "--data", "other.csv")[2]
    code, out, err = inputs("evaluate", trained, "--data", "none.csv")
    assert (code, out) == (2, "")
    assert "none.csv: it has no rows, so there is nothing to measure" in err


def test_the_way_a_file_is_written_can_be_set(inputs: Tftrain, trained: str) -> None:
    _, expected, _ = inputs("predict", trained, "--data", "t.csv")
    Path("p.csv").write_text(WRITTEN.replace(",", "\x1f"))
    assert inputs("predict", trained, "--data", "p.csv")[0] == 2
    flags = ("--data", "p.csv", "--set", 'data.source.delimiter="\\x1f"')
    assert inputs("predict", trained, *flags)[:2] == (0, expected)
    assert inputs("evaluate", trained, *flags)[0] == 0


def test_a_table_that_was_moved(inputs: Tftrain, trained: str) -> None:
    code, there, _ = inputs("evaluate", trained)
    assert code == 0
    (Path(trained).parent / "t.csv").rename("moved.csv")
    code, _, err = inputs("evaluate", trained)
    assert code == 2
    assert "t.csv: no such file" in err
    assert inputs("evaluate", trained, "--set", "data.source.path=moved.csv")[:2] == (0, there)
    Path("moved.csv").rename(Path(trained).parent / "t.csv")
