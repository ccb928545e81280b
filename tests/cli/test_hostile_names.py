"""Columns and files whose names would command the terminal, or leave their folder."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tftrain.cli.main import run
from tftrain.config import load_config

ESCAPE = "\x1b]0;owned\x07\x1b[31m"
NAMES = [
    f"{ESCAPE}x", "../../outside", "/tmp/outside", "a/b", "[red]markup[/red]", "=cmd|' /C calc'!A0",
    "line\noutput: {directory: elsewhere}\n#", "\u202egnp", "<b>x</b>",
]  # fmt: skip
WORDS = [f"{ESCAPE}word", "../../word", "word\noutput: {directory: elsewhere}\n#"]
TARGETS = [f"{ESCAPE}[bold]y[/bold]", "../y"]


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=rows).round(6) for name in (*NAMES, *TARGETS)})
    for word in WORDS:
        frame[word] = rng.choice(["a", ESCAPE], rows)
    return frame


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inside = tmp_path / "some" / "where" / "inside"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    table().to_csv("t.csv", index=False)
    sections = {
        "data": {"source": {"kind": "csv", "path": "t.csv"}, "target": TARGETS},
        "model": {"kind": "mlp", "hidden": [3]},
        "training": {"epochs": 2},
        "output": {"tensorboard": True},
    }
    Path("c.yaml").write_text(json.dumps(sections))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Run a command and return what it says, which must be harmless."""
    capsys.readouterr()
    assert run(list(arguments)) == code
    out, err = capsys.readouterr()
    for stream in (out, err):
        assert set(stream) & {"\x1b", "\x07", "\u202e", "\r"} == set()
        assert "Traceback" not in stream
    return out + err


def test_from_check_to_predictions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert r"\x1b[31m[bold]y[/bold]" in said(capsys, 0, "check", "c.yaml")
    trained = said(capsys, 0, "train", "c.yaml", "--output", "run")
    assert r"\x1b[31m[bold]y[/bold]" in trained
    assert "[bold]y[/bold]" in said(capsys, 0, "evaluate", "run")
    said(capsys, 0, "train", "c.yaml", "--quiet", "--json", "--output", "again")
    said(capsys, 0, "predict", "run", "--data", "t.csv", "--output", "out.csv")
    assert list(pd.read_csv("out.csv")) == [f"predicted_{name}" for name in TARGETS]
    inside = Path.cwd()
    assert sorted(path.name for path in inside.iterdir()) == [
        "again", "c.yaml", "out.csv", "run", "t.csv",
    ]  # fmt: skip
    above = [path for path in folder.rglob("*") if inside not in (path, *path.parents)]
    assert {path.name for path in above} == {"some", "where"}


def test_predictions_in_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, 0, "train", "c.yaml", "--quiet", "--output", "run")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert r"predicted_\x1b]0;owned" in said(capsys, 0, "predict", "run", "--data", "t.csv")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "c.yaml", "--set", f"data.target={ESCAPE}"],
        ["check", "c.yaml", "--set", 'data.target="\\e[31m../z"'],
        ["check", "c.yaml", "--set", 'data.features=["\\e[31m"]'],
        ["check", "c.yaml", "--set", f"data.weight='{WORDS[1]}'"],
        ["check", "c.yaml", "--set", f"data.split={{kind: column, column: {WORDS[1]}}}"],
        ["check", "c.yaml", "--set", 'data.source.path="\\e[31m.csv"'],
        ["check", f"{ESCAPE}.yaml"],
        ["train", f"--{ESCAPE}"],
        [f"{ESCAPE}"],
        ["init", "t.csv", "--target", f"{ESCAPE}"],
        ["predict", f"{ESCAPE}", "--data", "t.csv"],
    ],
)
def test_errors(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    said(capsys, 2, *arguments)
    assert sorted(path.name for path in Path().iterdir()) == ["c.yaml", "t.csv"]


def test_init_writes_names_and_nothing_else(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that holds a line end is no second line of the config, in a comment or elsewhere."""
    marks = pd.DataFrame({"a\nseed: 5\n#": [*map(str, range(59)), "?"], "same\nseed: 6\n#": 1})
    pd.concat([table(), marks], axis=1).to_csv("t.csv", index=False)
    targets = [word for name in TARGETS for word in ("--target", name)]
    said(capsys, 0, "init", "t.csv", *targets, "--output", "new.yaml")
    config = load_config("new.yaml")
    assert config.data.target == TARGETS
    assert (config.seed, config.output.directory) == (0, "runs")
    assert "\x1b" not in Path("new.yaml").read_text()
    said(capsys, 0, "check", "new.yaml")
