"""Runs that go on in their own directory, and those that must not."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain.errors import ConfigError, InputError, OutputError, RunError
from tftrain.experiment.build import network_of, restored_network
from tftrain.experiment.evaluate import evaluate
from tftrain.experiment.resume import FORCED, FREE, REOPENING
from tftrain.experiment.train import resume
from tftrain.runs import RunDirectory
from tftrain.runs.listing import runs_in
from tftrain.training import EpochRecord, Observer

EPOCHS = 8


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=70), "word": rng.choice(["a", "b"], 70)})
    frame.assign(y=frame.x * 2 + (frame.word == "a")).to_csv("t.csv", index=False)


def config(**training: Any) -> dict[str, Any]:
    return {
        "data": {"source": {"kind": "csv", "path": "t.csv"}, "target": "y"},
        "model": {"kind": "mlp", "hidden": [5]},
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
        "training": {
            "epochs": EPOCHS,
            "batch_size": 8,
            "compile": "graph",
            "checkpoint": {"every_steps": 5},
            **training,
        },
    }


class Copy(Observer):
    """Copies the run directory after an epoch: what is on disk if the process is killed then."""

    looks_at_network = False

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch(self, record: EpochRecord) -> None:
        while record.epoch == self.epoch:
            try:
                shutil.copytree("run", "killed")
                return
            except shutil.Error:  # a checkpoint was renamed meanwhile, in the background
                shutil.rmtree("killed")


def killed_here(epoch: int = 5, **training: Any) -> tftrain.Run:
    """Train a run; the directory `killed` is that run, killed after an epoch."""
    return tftrain.train(config(**training), output="run", observers=[Copy(epoch)])


def killed(epoch: int = 5, **training: Any) -> tftrain.Run:
    """Return what `killed_here` does.

    It is trained once, elsewhere; each test that asks for it gets copies.
    """
    kept = Path.cwd().parent / f"killed-{epoch}-{hash(str(training))}"
    if not kept.exists():
        kept.mkdir()
        shutil.copy("t.csv", kept)
        with contextlib.chdir(kept):
            killed_here(epoch, **training)
            Path("t.csv").unlink()
    for name in ("run", "killed"):
        shutil.copytree(kept / name, name)
    return tftrain.load_run("run")


def untimed(path: str | Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (Path(path) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in x.items() if k not in ("seconds", "rows_per_second")} for x in lines]


def require_same(one: tftrain.Run, other: tftrain.Run) -> None:
    frame = pd.read_csv("t.csv")
    np.testing.assert_array_equal(one.predict(frame), other.predict(frame))
    assert untimed(one.path) == untimed(other.path)
    summaries = [{**run.summary, "seconds": None} for run in (one, other)]
    assert summaries[0] == summaries[1]


@pytest.mark.parametrize(
    ("epoch", "early_stopping"),
    [
        (5, None),
        slow(1, None),
        slow(EPOCHS, None),
        slow(1, {"patience": 50}),
        slow(5, {"patience": 50}),
        slow(EPOCHS, {"patience": 50}),
    ],
)
def test_a_killed_run_ends_as_one_that_was_not(epoch: int, early_stopping: Any) -> None:
    whole = killed(epoch, early_stopping=early_stopping)
    again = resume("killed")
    require_same(again, whole)
    assert [line["epoch"] for line in untimed("killed")] == list(range(1, EPOCHS + 1))
    environment = json.loads(again.directory.environment.read_text())
    assert len(environment["resumed"]) == 1
    assert environment["data"] == json.loads(whole.directory.environment.read_text())["data"]


def test_train_with_resume_begins_or_goes_on_or_does_nothing() -> None:
    whole = killed()
    begun = tftrain.train(config(), output="new", resume=True)
    gone_on = tftrain.train(config(), output="killed", resume=True)
    require_same(begun, whole)
    require_same(gone_on, whole)
    before = {p: p.stat().st_mtime_ns for p in Path("killed").rglob("*") if p.name != ".lock"}
    with pytest.warns(UserWarning, match="killed: this run is finished: nothing is left to do"):
        tftrain.train(config(), output="killed", resume=True)
    with pytest.warns(UserWarning, match="nothing is left to do"):
        require_same(resume("killed"), whole)
    assert before == {
        p: p.stat().st_mtime_ns for p in Path("killed").rglob("*") if p.name != ".lock"
    }


def test_a_run_without_checkpoints_begins_again() -> None:
    whole = killed(checkpoint=None)
    assert not Path("killed/checkpoints").exists()
    require_same(resume("killed"), whole)


def test_a_run_that_was_killed_at_once_begins() -> None:
    """Before anything but the summary was written."""
    whole = killed()
    for path in Path("killed").iterdir():
        shutil.rmtree(path) if path.is_dir() else None
        path.unlink() if path.is_file() and path.name != "summary.json" else None
    require_same(tftrain.train(config(), output="killed", resume=True), whole)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(text.splitlines()[::2]),
        slow(lambda text: text.replace('"loss"', '"lo\0s"')),
        slow(lambda text: text + text),
        slow(lambda text: ""),
    ],
    ids=["cut", "gaps", "flipped", "repeated", "emptied"],
)
def test_damaged_metrics_are_written_anew(damage: Callable[[str], str]) -> None:
    whole = killed()
    metrics = Path("killed/metrics.jsonl")
    metrics.write_text(damage(metrics.read_text()))
    require_same(resume("killed"), whole)


def test_a_damaged_config_is_taken_from_the_checkpoint() -> None:
    whole = killed()
    text = Path("killed/config.yaml").read_text()
    Path("killed/config.yaml").write_text(text[: len(text) // 2] + "\n: [")
    with pytest.warns(UserWarning, match=r"killed/config\.yaml: is damaged; the copy that was"):
        again = resume("killed")
    require_same(again, whole)
    assert tftrain.load_run("killed").config == whole.config


def test_a_damaged_config_without_a_checkpoint() -> None:
    whole = killed(checkpoint=None)
    Path("killed/config.yaml").write_text("data: [")
    with pytest.warns(UserWarning, match="is damaged; the copy that was made of it is used"):
        require_same(resume("killed"), whole)
    again = Path("killed/summary.json")
    again.write_text(again.read_text().replace("finished", "running"))
    Path("killed/config.yaml").write_text("data: [")
    Path("killed/environment.json").unlink()
    with pytest.raises(RunError, match="cannot be read, and it has no checkpoint: train anew"):
        resume("killed")


def test_a_damaged_summary_and_environment_do_not_matter() -> None:
    whole = killed()
    Path("killed/environment.json").write_text("{")
    summary = Path("killed/summary.json")
    summary.write_text(summary.read_text().replace("running", "runn\x00ng"))
    require_same(tftrain.train(config(), output="killed", resume=True), whole)


def test_a_changed_config_is_refused_and_every_change_named() -> None:
    killed()
    changed = config(batch_size=16)
    changed["optimizer"]["learning_rate"] = 0.02
    for force in (False, True):
        with pytest.raises(RunError) as caught:
            tftrain.train(changed, output="killed", resume=True, force=force)
        message = str(caught.value)
        assert "training.batch_size: 8 then, 16 now" in message
        assert "optimizer.learning_rate: 0.01 then, 0.02 now" in message
        assert "Undo the change, or train a new run." in message
        assert "--force" not in message
    with pytest.raises(RunError, match=r"model\.hidden"):
        resume("killed", overrides=["model.hidden=[5, 5]"], force=True)


def test_the_order_of_factors_counts() -> None:
    """Of several patterns that match, the first decides."""
    patterns = {"*.bias": 2.0, "layers.0.*": 0.5, "*": 1.0}
    tftrain.train(
        config(), overrides=[f"optimizer.factors={patterns}"], output="run", observers=[Copy(5)]
    )
    turned = dict(reversed(patterns.items()))
    with pytest.raises(RunError, match=r"optimizer\.factors: \{'\*\.bias': 2.* then, \{'\*': 1"):
        resume("killed", overrides=[f"optimizer.factors={turned}"])


def test_a_flipped_bit_that_makes_another_config_is_noticed() -> None:
    killed()
    path = Path("killed/config.yaml")
    path.write_text(path.read_text().replace("learning_rate: 0.01", "learning_rate: 0.11"))
    with pytest.raises(RunError, match=r"optimizer.learning_rate: 0.01 then, 0.11 now"):
        resume("killed")


def test_what_does_not_matter_may_change() -> None:
    whole = killed()
    Path("t.csv").rename("moved.csv")
    again = resume(
        "killed",
        overrides=["data.source.path=moved.csv", "training.checkpoint.every_steps=3"],
    )
    assert again.config.training.checkpoint is not None
    assert again.config.training.checkpoint.every_steps == 3
    Path("moved.csv").rename("t.csv")
    require_same(again, whole)


def test_more_epochs_need_force() -> None:
    longer = tftrain.train(config(epochs=12), output="longer")
    killed()
    with pytest.raises(RunError, match=r"training.epochs: 8 then, 12 now\n.*with --force"):
        resume("killed", overrides=["training.epochs=12"])
    for path in ("killed", "run"):  # unfinished, finished
        again = resume(path, overrides=["training.epochs=12"], force=True)
        require_same(again, longer)
        assert again.config.training.epochs == 12


def test_a_refused_resume_leaves_the_run_as_it_was() -> None:
    run = tftrain.train(config(), output="run")
    files = ("summary.json", "config.yaml", "environment.json", "metrics.jsonl")
    before = {name: (run.path / name).read_bytes() for name in files}
    with pytest.raises(InputError, match="epochs must not be below that"):
        resume("run", overrides=["training.epochs=3"], force=True)
    assert before == {name: (run.path / name).read_bytes() for name in files}
    require_same(tftrain.load_run("run"), run)


def test_interrupted_before_it_goes_on_a_run_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    run = tftrain.train(config(), output="run")

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tftrain.training.engine.Engine, "prepare", interrupted)
        with pytest.raises(KeyboardInterrupt):
            resume("run", overrides=["training.epochs=12"], force=True)
    require_same(tftrain.load_run("run"), run)


def require_model_of(run: tftrain.Run, state: str, path: str = "run") -> None:
    """Check that a directory serves the model of a run, and says in which state it is."""
    found = tftrain.load_run(path)
    frame = pd.read_csv("t.csv")
    np.testing.assert_array_equal(found.predict(frame), run.predict(frame))
    facts = ("columns", "epochs", "best_epoch", "stop_reason", "train", "validation", "test")
    assert [found.summary[key] for key in facts] == [run.summary[key] for key in facts]
    assert found.summary["state"] == state
    (listed,) = runs_in(path)
    assert listed.state == ("stopped" if state == "running" else state)
    assert (listed.epochs, listed.value) == (run.summary["epochs"], run.summary["test"]["rmse"])
    network = restored_network(found, network_of(found.config, found.plan))
    assert network.trainable_variables
    measured = evaluate(found, split="test")
    assert measured["rmse"] == pytest.approx(run.summary["test"]["rmse"], rel=1e-5)


class Dies(Copy):
    """Ends the training as a process ends that is killed after an epoch."""

    def on_epoch(self, record: EpochRecord) -> None:
        super().on_epoch(record)
        if record.epoch == self.epoch:
            raise ZeroDivisionError("died")


def no_validation(**training: Any) -> dict[str, Any]:
    split = {"kind": "fractions", "train": 0.8, "validation": 0, "test": 0.2}
    changed = config(**training)
    changed["data"]["split"] = split
    return changed


def test_the_model_of_before_serves_until_the_new_one_is_there() -> None:
    before = tftrain.train(no_validation(), output="run")
    shutil.copytree("run", "before")
    before = tftrain.load_run("before")
    more: dict[str, Any] = {"overrides": ["training.epochs=12"], "force": True}
    with pytest.raises(ZeroDivisionError):
        resume("run", observers=[Dies(10)], **more)
    require_model_of(before, "failed")
    assert tftrain.load_run("run").summary["error"] == "died"
    require_model_of(before, "running", "killed")
    assert tftrain.load_run("killed").config.training.epochs == 12
    after = resume("killed")
    assert after.summary["epochs"] == 12
    require_model_of(after, "finished", "killed")
    frame = pd.read_csv("t.csv")
    assert not np.array_equal(after.predict(frame), before.predict(frame))


@pytest.mark.parametrize("state", ["running", slow("interrupted")])
def test_a_process_that_dies_while_it_replaces_the_model(state: str) -> None:
    """Every state of the disk on the way from the model of before to the new summary."""
    tftrain.train(no_validation(), output="run")
    shutil.copytree("run", "before")
    more: dict[str, Any] = {"overrides": ["training.epochs=12"], "force": True}
    with pytest.raises(ZeroDivisionError):
        resume("run", observers=[Dies(10)], **more)
    summary = RunDirectory(Path("killed")).read_summary()
    after = resume("run")
    before = tftrain.load_run("before")
    assert summary["state"] == "running"
    told = summary if state == "running" else {**summary, "state": state, "error": "why"}
    RunDirectory(Path("killed")).write_json(Path("killed/summary.json"), told)

    shutil.copytree(after.directory.model, "killed/model.part")
    require_model_of(before, state, "killed")
    Path("killed/model").rename("killed/model.old")
    require_model_of(before, state, "killed")
    again = shutil.copytree("killed", "again")
    Path("killed/model.part").rename("killed/model")
    require_model_of(after, state, "killed")
    shutil.rmtree("killed/model.old")
    require_model_of(after, state, "killed")

    with pytest.raises(ZeroDivisionError):
        resume(again, observers=[Fails()])
    require_model_of(before, "failed", "again")
    require_model_of(resume(again), "finished", "again")
    assert not Path("again/model.old").exists()


class Fails(Observer):
    looks_at_network = False

    def on_end(self) -> None:
        raise ZeroDivisionError


def test_a_model_that_is_replaced_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.read_csv("t.csv")
    before = tftrain.train(config(epochs=1), output="run")
    after = tftrain.train(config(epochs=3), output="other")
    expected = after.predict(frame)
    whole = tftrain.runs.inspection.load_model

    def replaced(path: Path, trust: bool) -> Any:
        if not Path("run/model.old").exists():
            before.directory.model.rename("run/model.old")
            after.directory.model.rename("run/model")
            raise RunError("a file is missing")
        return whole(path)

    monkeypatch.setattr(tftrain.runs.inspection, "load_model", replaced)
    np.testing.assert_array_equal(tftrain.load_run("run").predict(frame), expected)


def test_a_run_without_a_model_says_how_to_get_one() -> None:
    killed()
    with pytest.raises(RunError, match=r"state is 'running'\); tftrain resume killed goes on with"):
        tftrain.load_run("killed")
    shutil.rmtree("killed/checkpoints")
    with pytest.raises(RunError, match=r"state is 'running'\); train it again"):
        tftrain.load_run("killed")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", r"facts\.json: cannot be read"),
        slow("[]", r"facts\.json: not the facts of a model"),
        slow('{"columns": 7}', r"facts\.json: is not .*columns: "),
        ("{}", "this run has no model"),
    ],
)
def test_facts_of_a_model_that_are_damaged(text: str, told: str) -> None:
    tftrain.train(config(epochs=1), output="run")
    Path("run/model/facts.json").write_text(text)
    assert tftrain.load_run("run").summary["state"] == "finished"  # its summary describes it
    RunDirectory(Path("run")).write_json(Path("run/summary.json"), {"state": "running"})
    with pytest.raises(RunError, match=told):
        tftrain.load_run("run")


@pytest.mark.slow
def test_interrupted_before_its_new_model_is_written_a_run_has_that_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = tftrain.train(no_validation(), output="run")
    expected = before.predict(pd.read_csv("t.csv"))

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tftrain.experiment.train.export", interrupted)
        with pytest.raises(KeyboardInterrupt):
            resume("run", overrides=["training.epochs=12"], force=True)
    require_model_of(before, "interrupted")
    assert tftrain.load_run("run").summary["error"] == "stopped before its model was written"
    np.testing.assert_array_equal(before.predict(pd.read_csv("t.csv")), expected)
    whole = tftrain.train(no_validation(epochs=12), output="whole")
    require_same(resume("run"), whole)


def test_without_further_checkpoints_a_run_goes_on_from_those_it_has() -> None:
    whole = killed()
    seen: list[int] = []

    class Epochs(Observer):
        def on_epoch(self, record: EpochRecord) -> None:
            seen.append(record.epoch)

    again = resume("killed", overrides=["training.checkpoint=null"], observers=[Epochs()])
    assert min(seen) > 1
    require_same(again, whole)


ODD = list(product(["config", "data", "packages"], ["/etc/hostname", None, [1]]))


@pytest.mark.parametrize(("part", "value"), [ODD[0], *(slow(*odd) for odd in ODD[1:])])
def test_an_environment_of_odd_types_is_taken_from_the_checkpoint(part: str, value: Any) -> None:
    whole = killed_here()
    environment = Path("killed/environment.json")
    told = json.loads(environment.read_text())
    environment.write_text(json.dumps({**told, part: value}))
    require_same(resume("killed"), whole)


@pytest.mark.parametrize("name", ["config.yaml", "checkpoints/SHA256SUMS"])
def test_a_pipe_is_not_waited_for(name: str) -> None:
    killed()
    path = Path("killed") / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(RunError, match="is neither a file nor a folder"):
        resume("killed")


@pytest.mark.parametrize("how", ["begin", "go on"])
def test_nothing_is_written_through_a_link_to_a_part(how: str) -> None:
    Path("mine").write_text("precious")
    if how == "go on":
        killed()
    Path("killed").mkdir(exist_ok=True)
    Path("killed/summary.json.part").symlink_to(Path("mine").absolute())
    with pytest.raises(RunError, match="is a link"):
        tftrain.train(config(), output="killed", resume=how == "go on")
    assert Path("mine").read_text() == "precious"


def test_what_was_accepted_once_is_the_config_from_then_on() -> None:
    """Also where the process dies before its first checkpoint, and where no step is made."""
    killed()
    accepted = {"overrides": ["training.epochs=12"], "force": True}

    class Dies(Observer):
        looks_at_network = False

        def on_chunk(self, epoch: int, step: int, loss: float) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        resume("killed", observers=[Dies()], **accepted)
    assert resume("killed").summary["epochs"] == 12

    resume("run", overrides=["training.compile=eager"], force=True)
    with pytest.warns(UserWarning, match="nothing is left to do"):
        resume("run", overrides=[])
    resume("run", overrides=["training.time_budget=100"])
    with pytest.warns(UserWarning, match="nothing is left to do"):
        tftrain.train(config(time_budget=100, compile="eager"), output="run", resume=True)


def test_a_finished_run_needs_no_data_to_say_so() -> None:
    tftrain.train(config(), output="run")
    Path("t.csv").unlink()
    with pytest.warns(UserWarning, match="nothing is left to do"):
        resume("run")


def test_a_directory_of_something_else_is_left_alone() -> None:
    for path in ("foreign/summary.json", "foreign/model/weights.bin", "foreign/metrics.jsonl"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("{}")
    with pytest.raises(RunError, match="foreign: what this run was trained on cannot be read"):
        tftrain.train(config(), output="foreign", resume=True)
    assert Path("foreign/model/weights.bin").read_text() == "{}"
    assert Path("foreign/metrics.jsonl").read_text() == "{}"
    Path("other").mkdir()
    Path("other/x").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        tftrain.train(config(), output="other", resume=True)
    assert [path.name for path in Path("other").iterdir()] == ["x"]


def test_epochs_that_the_learning_rate_follows_cannot_change() -> None:
    cosine = config()
    cosine["optimizer"]["schedule"] = "cosine"
    tftrain.train(cosine, output="run")
    with pytest.raises(RunError, match=r"learning rate follows training\.epochs"):
        resume("run", overrides=["training.epochs=12"], force=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.head(69), "70 rows then, 69 now"),
        (lambda frame: frame.assign(z=1), "3 columns then, 4 now"),
        (lambda frame: frame.assign(x=frame.x + 1e-12), "but other values"),
    ],
)
def test_changed_data_are_refused(change: Callable[[Any], Any], told: str) -> None:
    killed()
    change(pd.read_csv("t.csv")).to_csv("t.csv", index=False)
    with pytest.raises(RunError, match=rf"killed: the data have changed .*{told}.*bring the old"):
        resume("killed")


def test_a_dataframe_is_handed_over_again() -> None:
    frame = pd.read_csv("t.csv")
    framed = {**config(), "data": {"source": "dataframe", "target": "y"}}
    whole = tftrain.train(framed, data=frame, output="run", observers=[Copy(4)])
    with pytest.raises(InputError, match="hand it over"):
        resume("killed")
    require_same(resume("killed", data=frame), whole)


def test_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    killed()
    monkeypatch.setattr("tftrain.runs.environment.version", lambda name: "0.0.1")
    with pytest.warns(UserWarning, match=r"tensorflow \d\S+ then, 0\.0\.1 now.* may end with"):
        resume("killed")


@pytest.mark.slow
def test_an_interrupted_run_goes_on() -> None:
    class CtrlC(Observer):
        looks_at_network = False

        def on_epoch(self, record: EpochRecord) -> None:
            if record.epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tftrain.train(config(), output="run", observers=[CtrlC()])
    assert tftrain.load_run("run").summary["state"] == "interrupted"
    again = resume("run")
    require_same(again, tftrain.train(config(), output="whole"))
    assert not Path("run/model.old").exists()


def test_one_process_at_a_time() -> None:
    class Second(Observer):
        looks_at_network = False

        def on_epoch(self, record: EpochRecord) -> None:
            code = (
                "from tftrain.experiment.train import resume\n"
                "try: resume('run')\n"
                "except Exception as error: print(error)"
            )
            told.append(
                subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True
                ).stdout
            )

    told: list[str] = []
    tftrain.train(config(epochs=1), output="run", observers=[Second()])
    assert len(told) == 1
    assert "run: process " in told[0]
    assert "is writing this run; wait until it ends, or end it" in told[0]
    with RunDirectory(Path("run")).locked(), pytest.raises(RunError, match="is writing this run"):
        tftrain.train(config(), output="run", resume=True)


def test_what_cannot_be_resumed() -> None:
    with pytest.raises(RunError, match="no such directory"):
        resume("nothing")
    Path("empty").mkdir()
    with pytest.raises(RunError, match="not a run directory"):
        resume("empty")
    assert not list(Path("empty").iterdir())
    with pytest.raises(InputError, match="name the run's directory"):
        tftrain.train(config(), resume=True)
    killed()
    with pytest.raises(ConfigError, match="did you mean epochs"):
        resume("killed", overrides=["training.epoch=3"])
    with pytest.raises(OutputError, match="--resume goes on with the run in it"):
        tftrain.train(config(), output="killed")


def test_the_first_bad_node_is_named() -> None:
    """A learning rate that overflows: the summary names step and node, and the weights are good."""
    wild = config(epochs=50, checkpoint={"every_steps": 1})
    wild["optimizer"] = {"kind": "sgd", "learning_rate": 30.0}
    with pytest.raises(tftrain.errors.DivergedError) as caught:
        tftrain.train(wild, output="run")
    error = json.loads(Path("run/summary.json").read_text())["error"]
    assert error == str(caught.value)
    assert "(first in " in error
    newest = max(path for path in Path("run/checkpoints").iterdir())
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    for name in reader.get_variable_to_shape_map():
        if name.startswith("variables"):
            assert np.isfinite(reader.get_tensor(name)).all()


def test_the_keys_that_may_change_are_marked_on_the_config() -> None:
    """A key that is renamed keeps its mark, and one that has none must not change."""
    assert {
        "name",
        "output",
        "data.source.path",
        "model.folder",
        "training.checkpoint",
        "training.time_budget",
    } < FREE
    assert {
        "training.epochs",
        "training.early_stopping.patience",
        "training.compile",
        "training.threads",
    } == FORCED
    assert {*FORCED, "training.time_budget"} == REOPENING


def test_a_run_of_an_earlier_version_lacks_keys_that_are_new(tmp_path: Path) -> None:
    """A key that did not exist then has its default now, which is what happened without it."""
    config = {
        "data": {"source": "sklearn", "target": "target"},
        "model": {"hidden": [4]},
        "training": {"epochs": 2, "compile": "graph"},
    }
    run = tftrain.train(config, output=tmp_path / "run").directory
    facts = json.loads(run.environment.read_text())
    for section, key in (("model", "embeddings"), ("model", "dropout"), ("optimizer", "average")):
        del facts["config"][section][key]
    run.environment.write_text(json.dumps(facts))
    again = resume(run.path, overrides=["training.epochs=3"], force=True)
    whole = tftrain.train(config, overrides=["training.epochs=3"], output=tmp_path / "whole")
    assert again.summary["test"] == whole.summary["test"]
