"""Streams of every encoding, and streams that nobody reads: processes of their own."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from tests.support.parameters import slow
from tftrain import load_run

CONFIG = """\
data: {source: {kind: csv, path: t.csv}, target: "%s"}
model: {hidden: [2]}
training: {epochs: 2, compile: eager}
"""
FOREIGN = "цена €"

COMMANDS = [
    ["train", "t.yaml", "--output", "r"],
    ["evaluate", "r"],
    ["evaluate", "r", "--json"],
    ["runs", "."],
    ["check", "t.yaml"],
    ["check", "t.yaml", "--json"],
    ["explain", "r"],
    ["explain", "--function", "x**2", "--at", "x=3"],
    ["gradcheck", "--run", "r", "--modes", "eager", "--dtypes", "float32"],
    ["init", "t.csv", "--target", FOREIGN, "--output", f"{FOREIGN}.yaml"],
    ["schema"],
    ["--help"],
    ["train", "--help"],
    ["predict", "r", "--data", "t.csv"],
]
REFUSED = [
    [FOREIGN],
    ["train", "t.yaml", f"--{FOREIGN}"],
    ["train", f"{FOREIGN}.csv"],
    ["predict", "r", "--data", FOREIGN],
]

ALL_IN_ONE = """
import json, sys
from tftrain.cli.main import run
from tftrain.terminal import prepare_streams, say

prepare_streams()
codes = []
for number, arguments in enumerate(json.load(open("commands.json"))):
    codes.append(run(arguments))
    say(f"--- {number}")
json.dump(codes, open("codes.json", "w"))
"""


def write_inputs(path: Path, target: str = "y", rows: int = 30) -> None:
    frame = pd.DataFrame({"x": range(rows), target: [i * 2.0 + i % 3 for i in range(rows)]})
    frame.to_csv(path / "t.csv", index=False)
    (path / "t.yaml").write_text(CONFIG % target, encoding="utf-8")


@pytest.mark.parametrize(
    "encoding",
    ["cp1252", slow("koi8-r"), slow("ascii")],
)
def test_every_command_speaks_every_encoding(tmp_path: Path, encoding: str) -> None:
    write_inputs(tmp_path, FOREIGN)
    (tmp_path / "commands.json").write_text(json.dumps([*COMMANDS, *REFUSED]))
    done = subprocess.run(
        [sys.executable, "-c", ALL_IN_ONE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads((tmp_path / "codes.json").read_text())
    assert codes == [0] * len(COMMANDS) + [2] * len(REFUSED)
    out, err = done.stdout, done.stderr.decode(encoding)
    assert "Traceback" not in err

    parts = out.split(b"--- ")
    *said, predicted = parts[: len(COMMANDS)]
    table = pd.read_csv(io.BytesIO(predicted.partition(b"\n")[2]))  # data are UTF-8
    assert list(table) == [f"predicted_{FOREIGN}"]
    assert len(table) == 30
    text = "".join(part.decode(encoding) for part in said)
    shown = FOREIGN.encode(encoding, "backslashreplace").decode(encoding)
    assert f"{shown}: metrics in the target's own units" in text
    assert "+------" in text
    assert "|" in text
    assert "\u2501" not in text
    assert "€" in shown or r"\u20ac" in shown
    assert f"No such command '{shown}'" in err
    assert json.loads(parts[2].partition(b"\n")[2])["rows"] == 5


def test_a_process_in_the_locale_c_without_the_mode_of_utf_8(tmp_path: Path) -> None:
    """Where every text that is not ASCII is an error by default, on all streams."""
    write_inputs(tmp_path, FOREIGN)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"}
    done = subprocess.run(
        [sys.executable, "-m", "tftrain", "check", "t.yaml"],
        cwd=tmp_path,
        env={**variables, **plain},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"target:      \u0446\u0435\u043d\u0430 \u20ac" in done.stdout


def shell(path: Path, command: str, **variables: str) -> int:
    """Run a command of bash in which $T is `tftrain`, and return its exit code."""
    environment: Mapping[str, str] = {
        **os.environ,
        "T": f"{sys.executable} -m tftrain",
        "PYTHONWARNINGS": "default",
        **variables,
    }
    return subprocess.run(
        ["bash", "-c", command], cwd=path, env=environment, stdout=subprocess.DEVNULL, timeout=300
    ).returncode


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("2>&1 | head -n 1", 1),
        slow("2>&-", 0),
        slow("> /dev/full", 1),
        *(
            slow(how, code)
            for how, code in (
                ("2> >(head -n 1 > /dev/null)", 0),
                ("<&- 2>&- | cat", 0),
                ("2> /dev/full", 0),
                (">&-", 1),
                (">&- 2>&-", 1),
            )
        ),
    ],
)
def test_training_does_not_depend_on_a_reader(tmp_path: Path, how: str, code: int) -> None:
    """A stream that breaks, is closed or is full: the run ends as always, and is whole."""
    write_inputs(tmp_path)
    many = "--set training.epochs=20"  # a line each, after the reader has gone
    command = f"$T train t.yaml --output r {many} {how}; exit ${{PIPESTATUS[0]}}"
    assert shell(tmp_path, command) == code
    summary = json.loads((tmp_path / "r/summary.json").read_text())
    assert (summary["state"], summary["epochs"]) == ("finished", 20)
    lines = (tmp_path / "r/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 21))
    assert len(load_run(tmp_path / "r").predict(pd.read_csv(tmp_path / "t.csv"))) == 30


@pytest.mark.slow
def test_a_terminal_that_goes_while_the_bar_is_drawn(tmp_path: Path) -> None:
    """The other end of the pseudo-terminal is closed after its first output."""
    write_inputs(tmp_path)
    ours, theirs = pty.openpty()
    many = ["--set", "training.epochs=60"]
    with subprocess.Popen(
        [sys.executable, "-m", "tftrain", "train", "t.yaml", "--output", "r", *many],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        assert os.read(ours, 1)
        os.close(ours)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert b"all 60 epochs" in out
    assert json.loads((tmp_path / "r/summary.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_what_is_printed_never_ends_up_in_a_file_that_is_open(tmp_path: Path) -> None:
    """A descriptor that the caller closed is not given to a file of the run."""
    write_inputs(tmp_path)
    log = {"TF_CPP_MIN_LOG_LEVEL": "0"}  # TensorFlow prints on descriptor 2
    assert shell(tmp_path, "$T train t.yaml --output r <&- >&- 2>&-", **log) == 1
    for file in (tmp_path / "r").glob("*.json*"):
        for line in (
            file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
        ):
            json.loads(line)
    assert "oneDNN" not in (tmp_path / "r/config.yaml").read_text()


@pytest.mark.slow
def test_a_folder_that_tensorflow_could_not_open_is_refused(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tftrain", "train", "t.yaml", "--output", b"r\xff"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert r"error: r\udcff: cannot be written: its name is not UTF-8" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.yaml"]
