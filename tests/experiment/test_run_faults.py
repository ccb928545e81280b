"""Faults of the machine, injected for real where that can be done: nothing is lost."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain import memory
from tftrain.errors import OutOfMemoryError
from tftrain.training import EpochRecord, Observer

IN_A_NAMESPACE = ["unshare", "--map-root-user", "--mount"]

SCENARIOS = '''
import contextlib, json, os, subprocess, sys
from pathlib import Path
import numpy as np, pandas as pd
import tftrain
from tftrain.errors import TftrainError
from tftrain.experiment.train import resume
from tftrain.training import Observer

def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)

def size(megabytes):
    mount("-o", f"remount,size={megabytes}m", "disk")

rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(64, 4)), columns=list("abcd")).assign(y=lambda f: f.a)

def config(**training):
    return {
        "data": {"source": "dataframe", "target": "y"},
        "model": {"kind": "mlp", "hidden": [300, 300]},
        "training": {"epochs": 60, "compile": "graph", "checkpoint": {"every_steps": 7}} | training,
    }

class Fill(Observer):
    """Fills the disk, at an epoch or at the end of training."""
    looks_at_network = False
    def __init__(self, epoch): self.epoch = epoch
    def fill(self):
        with contextlib.suppress(OSError), open("disk/filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    def on_epoch(self, record):
        if record.epoch == self.epoch: self.fill()
    def on_end(self):
        if self.epoch is None: self.fill()

def attempt(function):
    try:
        function()
        return "done"
    except TftrainError as error:
        return f"{error.exit_code} {error}"

def losses(run):
    return [json.loads(line)["loss"] for line in run.directory.metrics.read_text().splitlines()]

def scenario(name, megabytes, settings, observers):
    os.mkdir("disk")
    mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none", "disk")
    wanted = config(**settings)
    told = attempt(
        lambda: tftrain.train(wanted, data=frame, output="disk/run", observers=observers)
    )
    before = sorted(p.name for p in Path("disk/run/checkpoints").glob("*"))
    state = json.loads(Path("disk/run/summary.json").read_text())["state"]
    Path("disk/filler").unlink(missing_ok=True)
    size(200)
    later = attempt(lambda: resume("disk/run", data=frame))
    same = None
    if later == "done":
        found = tftrain.load_run("disk/run")
        whole = tftrain.train(wanted, data=frame, output=f"whole {name}")
        same = bool((found.predict(frame) == whole.predict(frame)).all())
        same = same and losses(found) == losses(whole)
    results[name] = [told, state, before, later, same]
    subprocess.run(["umount", "disk"], check=True)
    os.rmdir("disk")

results = {}
scenario("checkpoint", 3, {}, [])
scenario("metrics", 60, {"checkpoint": {"every_epochs": 2}, "epochs": 400}, [Fill(3)])
scenario("model", 60, {}, [Fill(None)])

tftrain.train(config(epochs=2), data=frame, output="readonly/run")
mount("--bind", "readonly", "readonly")
mount("-o", "remount,bind,ro", "readonly")
more = {"overrides": ["training.epochs=9"], "force": True}
results["resume"] = attempt(lambda: resume("readonly/run", data=frame, **more))
results["train"] = attempt(lambda: tftrain.train(config(), data=frame, output="readonly/new"))
results["predict"] = len(tftrain.load_run("readonly/run").predict(frame))
print(json.dumps(results))
'''


def may_mount() -> bool:
    command = [*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs the right to mount a file system of its own")
def test_a_disk_that_is_full_or_read_only(tmp_path: Path) -> None:
    """With real file systems, in a namespace of their own."""
    done = subprocess.run(
        [*IN_A_NAMESPACE, sys.executable, "-c", SCENARIOS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, place in {
        "checkpoint": "disk/run/checkpoints/",
        "metrics": "disk/run/",
        "model": "disk/run/model",
    }.items():
        told, state, checkpoints, later, same = found[name]
        assert told.startswith(f"2 {place}"), told
        assert "cannot be written: No space left on device" in told
        assert state == "failed"
        assert all(checkpoint.isdigit() for checkpoint in checkpoints)
        assert (later, same) == ("done", True)
    for name in ("resume", "train"):
        assert found[name].startswith("2 readonly/"), found[name]
        assert "cannot be written: Read-only file system" in found[name]
    assert found["predict"] == 64


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(**training: Any) -> dict[str, Any]:
    return {
        "data": {"source": "dataframe", "target": "y"},
        "model": {"kind": "mlp", "hidden": [5]},
        "training": {"epochs": 4, "batch_size": 8, **training},
    }


def table(rows: int = 60) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=(rows, 2))
    return pd.DataFrame(x, columns=["a", "b"]).assign(y=x[:, 0])


def test_a_clock_that_jumps_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the time of day: training measures with a clock that cannot be set."""

    class Jump(Observer):
        looks_at_network = False

        def on_epoch(self, record: EpochRecord) -> None:
            monkeypatch.setattr(time, "time", lambda: real() - 1e6 * record.epoch)

    real = time.time
    settings = {"checkpoint": {"every_seconds": 1e-9}, "time_budget": 600}
    run = tftrain.train(config(**settings), data=table(), output="run", observers=[Jump()])
    lines = [json.loads(line) for line in run.directory.metrics.read_text().splitlines()]
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert all(0 <= second < 600 for second in seconds)
    assert run.summary["stop_reason"] == "all 4 epochs"


def test_a_batch_that_is_too_large_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "limit", lambda: memory.Limit(12 << 20, "this machine has"))
    wide = config(batch_size="full", compile="graph", epochs=1)
    wide["model"]["hidden"] = [500]
    asked = (
        r"out of memory: a training step needs at least 13\.5 MiB, but .* has 12\.0 MiB\. "
        r"13\.4 MiB of it are for the activations of a batch of 7,000 .*training\.batch_size"
    )
    with pytest.raises(OutOfMemoryError, match=asked) as caught:
        tftrain.train(wide, data=table(10_000), output="run")
    assert caught.value.exit_code == 1
    assert json.loads(Path("run/summary.json").read_text())["state"] == "failed"
    wide["training"]["batch_size"] = 3500
    tftrain.train(wide, data=table(10_000), output="smaller")


@pytest.mark.parametrize("engine", ["graph", slow("xla")])
def test_a_batch_beyond_the_limit_of_the_shell(engine: str) -> None:
    """70 GB for the activations, where 60 GB are allowed: the same on machines of all sizes."""
    table(100_000).to_parquet("t.parquet")
    wide = config(batch_size="full", compile=engine)
    wide["model"]["hidden"] = [250_000]
    wide["data"]["source"] = {"kind": "parquet", "path": "t.parquet"}
    Path("t.yaml").write_text(json.dumps(wide))
    command = f"ulimit -v 60000000; exec {sys.executable} -m tftrain train t.yaml"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    said = r"error: out of memory: a training step needs at least 65\.\d GiB, but "
    assert re.search(said, done.stderr)
    assert "shape (70000, 250000): make the network (model.hidden) or the batches" in done.stderr


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (MemoryError(), "there is not enough for this training"),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "OOM when allocating tensor with shape[3,4] and type float on CPU:0"
            ),
            r"OOM when allocating tensor with shape\[3,4\] and type float\.",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "Failed to allocate 3GiB. [Op:Add]\nmore"),
            r"Failed to allocate 3GiB\. Make the network \(model\.hidden\)",
        ),
    ],
)
def test_memory_that_is_lacking_all_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception, asked: str
) -> None:
    """The second net, for what no estimate sees: other processes, and what engines take besides."""

    def lacking(*arguments: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr("tftrain.experiment.train.fit", lacking)
    with pytest.raises(OutOfMemoryError, match=f"out of memory: {asked}"):
        tftrain.train(config(), data=table(), output="run")
    assert json.loads(Path("run/summary.json").read_text())["state"] == "failed"


def test_a_table_whose_features_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As categories can make them of a small table: refused before they are computed."""
    texts = table(400).assign(b=[f"{i % 40}" for i in range(400)])
    settings = config()
    tftrain.train(settings, data=texts, output="within")
    monkeypatch.setattr(memory, "limit", lambda: memory.Limit(40_000, "this machine has"))
    said = r"the table needs at least 4\d\.\d KiB, but .* 39\.1 KiB\. .*max_categories"
    with pytest.raises(OutOfMemoryError, match=said):
        tftrain.train(settings, data=texts, output="run")
