"""`tftrain resume`, `tftrain train --resume` and `tftrain runs`: codes, messages, signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.parameters import slow
from tftrain.cli.main import run
from tftrain.runs import RunDirectory

Outcome = tuple[int, str, str]
Tftrain = Callable[..., Outcome]

CONFIG = """\
data: {source: {kind: csv, path: t.csv}, target: y}
model: {kind: mlp, hidden: [8]}
training: {epochs: 3, batch_size: 8, compile: graph, checkpoint: {every_steps: 3}}
"""
ENDLESS = ["--set", "training.epochs=1000000", "--set", "training.checkpoint.every_seconds=0.1"]


@pytest.fixture
def command(command: Tftrain) -> Tftrain:
    """Return the same, in a folder with a table and a config."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60)})
    frame.assign(y=frame.x * 2).to_csv("t.csv", index=False)
    Path("t.yaml").write_text(CONFIG)
    return command


def as_if_killed(path: str) -> None:
    RunDirectory(Path(path)).write_json(Path(path, "summary.json"), {"state": "running"})


@pytest.mark.filterwarnings("default::tftrain.errors.TftrainWarning")
def test_resume_shows_what_train_shows(command: Tftrain) -> None:
    code, shown, _ = command("train", "t.yaml", "--output", "r", "--quiet")
    assert code == 0
    as_if_killed("r")
    assert command("resume", "r", "--quiet") == (0, shown, "")
    code, out, _ = command("resume", "r", "--json")
    assert (code, json.loads(out)["state"]) == (0, "finished")


@pytest.mark.filterwarnings("default::tftrain.errors.TftrainWarning")
def test_a_finished_run_says_so(command: Tftrain) -> None:
    _, shown, _ = command("train", "t.yaml", "--output", "r")
    told = "warning: r: this run is finished: nothing is left to do\n"
    assert command("resume", "r") == (0, shown, told)
    assert command("train", "t.yaml", "--output", "r", "--resume") == (0, shown, told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["resume", "nothing"], "nothing: not a run directory (no such directory)"),
        (["resume", "r", "--set", "loss=mae"], "loss.kind: 'mse' then, 'mae' now"),
        (["resume", "r", "--set", "training.epochs=9"], "with --force"),
        (["resume", "r", "--set", "training.epcohs=9"], "did you mean epochs"),
        (["train", "t.yaml", "--resume"], "--resume needs --output DIR"),
        (["train", "t.yaml", "--output", "r"], "--resume goes on with the run in it"),
        (["train", "t.yaml", "--output", ".", "--resume"], ".: is not empty; name a new directory"),
        (["runs", "nowhere"], "nowhere: no such folder"),
        (["runs", "r", "--state", "fine"], "'fine' is not one of"),
    ],
)
def test_what_is_refused(command: Tftrain, arguments: list[str], told: str) -> None:
    assert command("train", "t.yaml", "--output", "r")[0] == 0
    before = sorted(path for path in Path().rglob("*") if path.name != ".lock")
    code, _, err = command(*arguments)
    assert code == 2
    assert told in err
    assert sorted(path for path in Path().rglob("*") if path.name != ".lock") == before


@contextmanager
def started(*arguments: str, until: str, nohup: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a process of its own, and wait until a file is there.

    The process gets Ctrl-C, as it would not where pytest was started with the signal ignored;
    likewise SIGHUP, unless `nohup` is asked for.
    """
    command = [sys.executable, "-m", "tftrain", *arguments]
    wanted = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_IGN if nohup else signal.SIG_DFL,
    }
    kept = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for number, handler in kept.items():
            signal.signal(number, handler)
        for _ in range(600):
            if Path(until).exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGHUP, 129), slow(signal.SIGTERM, 143), slow(signal.SIGINT, 130)],
)
def test_a_signal_ends_a_run_that_can_go_on(command: Tftrain, number: int, code: int) -> None:
    with started("train", "t.yaml", "--output", "r", *ENDLESS, until="r/checkpoints") as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert err.endswith("run: r\n")
    assert json.loads(Path("r/summary.json").read_text())["state"] == "interrupted"
    epochs = json.loads(Path("r/summary.json").read_text())["epochs"]
    more = ["--set", f"training.epochs={epochs + 2}", "--force", "--json"]
    code, out, err = command("resume", "r", *more)
    assert code == 0, err
    assert json.loads(out)["epochs"] == epochs + 2


def epochs_of(run: str) -> int:
    return len(Path(run, "metrics.jsonl").read_text().splitlines())


@pytest.mark.slow
def test_with_nohup_a_closed_terminal_does_not_end_a_run(command: Tftrain) -> None:
    begin = ["train", "t.yaml", "--output", "r", *ENDLESS]
    with started(*begin, until="r/checkpoints", nohup=True) as process:
        process.send_signal(signal.SIGHUP)
        before = epochs_of("r")
        while epochs_of("r") < before + 20 and process.poll() is None:
            time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.slow
def test_the_model_of_before_serves_while_a_run_is_resumed(command: Tftrain) -> None:
    """From another process, and when the process that resumes it is killed."""

    def served() -> tuple[str, str, float | None]:
        code, out, err = command("predict", "r", "--data", "t.csv")
        assert (code, err) == (0, "")
        code, listed, _ = command("runs", ".", "--json")
        (one,) = json.loads(listed)
        assert one["epochs"] == epochs
        return out, one["state"], one["value"]

    with started("train", "t.yaml", "--output", "r", *ENDLESS, until="r/checkpoints") as process:
        while not RunDirectory(Path("r")).has_checkpoints:
            time.sleep(0.1)
        code, _, err = command("predict", "r", "--data", "t.csv")
        assert (code, "tftrain resume r goes on with it" in err) == (2, True)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    epochs = json.loads(Path("r/summary.json").read_text())["epochs"]
    before, state, value = served()
    assert state == "interrupted"
    assert value is not None
    Path("r/metrics.jsonl").unlink()
    with started("resume", "r", until="r/metrics.jsonl") as process:
        while epochs_of("r") <= epochs:
            time.sleep(0.1)
        assert json.loads(Path("r/summary.json").read_text())["state"] == "running"
        assert served() == (before, "running", value)
        process.kill()
        process.communicate(timeout=60)
    assert served() == (before, "stopped", value)
    assert command("evaluate", "r")[0] == 0
    newest = max(int(path.name) for path in Path("r/checkpoints").glob("[0-9]" * 12))
    more = ["--set", f"training.epochs={newest // 6 + 2}", "--force", "--quiet"]
    assert command("resume", "r", *more)[0] == 0
    epochs = newest // 6 + 2
    assert served()[:2] != (before, "stopped")


@pytest.mark.slow
def test_a_second_ctrl_c_ends_a_run_in_the_middle_of_a_program(command: Tftrain) -> None:
    """A single step that would take minutes: Python does not run before it is over."""
    rows = 60_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 20)))
    frame.assign(y=frame[0]).to_csv("t.csv", index=False)
    wide = ["--set", "model.hidden=[4096, 4096, 4096]", "--set", "training.batch_size=full"]
    with started("train", "t.yaml", "--output", "r", *wide, until="r/metrics.jsonl") as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)  # the step would take minutes
    assert process.returncode == 130
    assert err.endswith("interrupted again: ended at once\n")


def test_a_second_ctrl_c_ends_a_process_that_nobody_listens_to() -> None:
    read, write = os.pipe()
    os.close(read)
    code = (
        "import os, signal, time; from tftrain.cli.signals import exit_at_second_interrupt as e;"
        "signal.signal(signal.SIGINT, lambda *_: None); e();"
        "[(os.kill(os.getpid(), signal.SIGINT), time.sleep(0.5)) for _ in range(2)]; time.sleep(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], stderr=write).returncode == 130
    os.close(write)


def test_a_summary_that_leads_nowhere(command: Tftrain) -> None:
    command("train", "t.yaml", "--output", "runs/good", "--quiet")
    Path("runs/odd").mkdir()
    Path("runs/odd/environment.json").touch()
    Path("runs/odd/summary.json").symlink_to("nowhere")
    code, out, _ = command("runs", "--json")
    states = {Path(one["path"]).name: one["state"] for one in json.loads(out)}
    assert (code, states) == (0, {"good": "finished", "odd": "damaged"})


def test_runs_are_listed_and_only_those_are_removed(
    command: Tftrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        command("train", "t.yaml", "--quiet")
    as_if_killed("runs/t/0002")
    Path("runs/t/0003/summary.json").write_text("{")
    Path("runs/notes.txt").write_text("mine")
    Path("runs/results").mkdir()
    Path("runs/results/summary.json").write_text("mine")
    os.symlink(Path("runs/t/0001").absolute(), "runs/t/link")
    as_if_killed("runs/t/0004")
    with RunDirectory(Path("runs/t/0004")).locked():
        code, out, _ = command("runs", "--json")
        listed = {Path(one["path"]).name: one for one in json.loads(out)}
        states = {name: one["state"] for name, one in listed.items()}
        assert states == {
            "0001": "finished",
            "0002": "stopped",
            "0003": "damaged",
            "0004": "running",
        }
        assert listed["0001"]["metric"] == "validation rmse"
        assert listed["0001"]["epochs"] == 3
        files = [p for p in Path("runs/t/0001").rglob("*") if p.is_file()]
        assert listed["0001"]["size"] >= sum(p.stat().st_size for p in files)
        assert 0 <= time.time() - listed["0001"]["written"] < 600

        code, out, _ = command("runs")
        assert code == 0
        for text in ("runs/t/0002", "stopped", "validation rmse", "kB", " s "):
            assert text in out

        monkeypatch.setattr(
            "click.confirm", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        assert command("runs", "--clean")[0] == 130
        assert Path("runs/t/0001/model").exists()

        monkeypatch.setattr("click.confirm", lambda *a, **k: False)
        code, _, err = command("runs", "--clean")
        assert (code, err) == (0, "nothing was removed\n")
        assert Path("runs/t/0001/model").exists()

        code, out, _ = command("runs", "--clean", "--yes", "--state", "stopped")
        assert (code, "0002" in out, "0001" in out) == (0, True, False)
        assert sorted(os.listdir("runs/t")) == ["0001", "0003", "0004", "link"]

        code, out, _err = command("runs", "--clean", "--yes")
        assert sorted(os.listdir("runs/t")) == ["0004", "link"]
    assert Path("runs/notes.txt").read_text() == "mine"
    assert Path("runs/results/summary.json").read_text() == "mine"
    shutil.rmtree("runs/t/0004")
    assert command("runs")[0] == 0


@pytest.mark.slow
def test_a_run_that_changed_since_it_was_listed_is_kept(
    command: Tftrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        command("train", "t.yaml", "--quiet")
    as_if_killed("runs/t/0001")

    def meanwhile(*arguments: object, **more: object) -> bool:
        assert run(["resume", "runs/t/0001", "--quiet"]) == 0
        return True

    monkeypatch.setattr("click.confirm", meanwhile)
    code, _, err = command("runs", "--clean")
    assert code == 1
    assert "runs/t/0001: has changed since it was listed, and is kept" in err
    assert err.endswith("removed 1 runs\nerror: 1 of the runs listed are still there\n")
    assert sorted(os.listdir("runs/t")) == ["0001"]
