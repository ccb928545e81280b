"""A training that was stopped anywhere ends as one that was left alone, bit for bit."""

import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.support.parameters import slow, slow_unless
from tftrain import nn, optimizers
from tftrain.errors import DivergedError, InputError, OutputError, RunError, Terminated
from tftrain.files import CHECKSUMS
from tftrain.training import Checkpoints, Convergence, EarlyStopping, History, Observer, fit

ROWS, BATCH, EPOCHS = 43, 8, 9
STEPS = -(-ROWS // BATCH)
RNG = np.random.default_rng(7)
X = RNG.normal(size=(ROWS, 3)).astype(np.float32)
Y = np.sin(X[:, :1]) + 0.1 * RNG.normal(size=(ROWS, 1)).astype(np.float32)
X_VAL, Y_VAL = X[:7] + 0.1, Y[:7]

OPTIMIZERS: dict[str, Callable[[], optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "factors": lambda: optimizers.SGD(0.05, momentum=0.9, factors={"*.bias": 2, "*": 0.5}),
    "adam": lambda: optimizers.Adam(optimizers.Warmup(optimizers.Cosine(0.02, 40), 7)),
}


class Trained:
    """A training with all that it ends with."""

    def __init__(self, folder: Path | None, optimizer: str = "adam", **settings: Any) -> None:
        periods = {k: settings.pop(k) for k in list(settings) if k.startswith("every_")}
        periods |= {"keep": settings.pop("keep")} if "keep" in settings else {}
        self.network = nn.MLP(3, [5], 1, activation="tanh", seed=3)
        self.optimizer = OPTIMIZERS[optimizer]()
        self.history = History()
        self.arguments = {
            "optimizer": self.optimizer,
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "validation": (X_VAL, Y_VAL),
            "early_stopping": EarlyStopping(patience=EPOCHS),
            "compile": "graph",
            "seed": 5,
            "history": self.history,
            "checkpoints": folder and Checkpoints(folder, **(periods or {"every_steps": 5})),
            **settings,
        }

    def run(self) -> "Trained":
        fit(self.network, X, Y, **self.arguments)
        return self

    def end(self) -> dict[str, Any]:
        """Return everything that must be the same, but times."""
        records = [
            record._replace(rows_per_second=0.0, seconds=0.0, validation=None)
            for record in self.history.epochs
        ]
        sums = [record.validation for record in self.history.epochs]
        return {
            **{f"network {i}": v.numpy().tolist() for i, v in enumerate(self.network.variables)},
            **{f"optim {i}": v.numpy().tolist() for i, v in enumerate(self.optimizer.variables)},
            "records": records,
            "validation": [s and (s.weight, s.squared.tolist(), s.absolute.tolist()) for s in sums],
            "losses": [losses.tolist() for losses in self.history.step_losses],
            "stop": self.history.stop_reason,
            "best": self.history.best_epoch,
        }


class Stop(Observer):
    """Interrupts, when so many steps are done, as nothing else does: no checkpoint is written."""

    looks_at_network = False

    def __init__(self, at: int) -> None:
        self.at = at

    def on_chunk(self, epoch: int, step: int, loss: float) -> None:
        if (epoch - 1) * STEPS + step >= self.at:
            raise ZeroDivisionError


def stopped(folder: Path, at: int, **settings: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        Trained(folder, observers=[Stop(at)], **settings).run()


@functools.cache
def undisturbed() -> dict[str, Any]:
    """Return how the training without special settings ends."""
    return Trained(None).run().end()


@pytest.fixture(scope="module")
def _stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped") / "c"
    stopped(folder, 33)
    return folder


@pytest.fixture
def folder(_stopped: Path, tmp_path: Path) -> Path:
    """Return a folder of checkpoints of the training without special settings, at step 30."""
    return Path(shutil.copytree(_stopped, tmp_path / "c"))


@pytest.mark.parametrize(
    ("compile", "optimizer", "shuffle"),
    [
        ("graph", "adam", True),
        ("eager", "factors", False),
        slow("xla", "adam", True),
        slow("graph", "sgd", False),
        slow("xla", "factors", False),
    ],
)
def test_a_stopped_training_ends_as_one_that_was_not(
    tmp_path: Path, compile: str, optimizer: str, shuffle: bool
) -> None:
    settings = {"compile": compile, "optimizer": optimizer, "shuffle": shuffle}
    wanted = Trained(None, **settings).run().end()
    for at in (7, 33):
        stopped(tmp_path / "c", at, **settings)
    assert Trained(tmp_path / "c", **settings).run().end() == wanted


@pytest.mark.parametrize(
    "settings",
    [
        slow({"validate_every": 4}),
        {"early_stopping": EarlyStopping(patience=2, min_delta=0.05)},
        {"every_steps": 4, "every_epochs": 1, "keep": 1},
        slow({"validation": None, "early_stopping": None}),
        slow({"convergence": Convergence(relative_change=0.2, patience=2)}),
        slow({"batch_size": "full", "convergence": Convergence(gradient_norm=0.05)}),
        slow({"l2": 0.01, "weight": np.arange(1.0, ROWS + 1)}),
        slow({"every_epochs": 2}),
        slow({"every_seconds": 1e-9}),
    ],
    ids=str,
)
def test_whatever_training_decides_is_decided_alike(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    periods = {k: v for k, v in settings.items() if k.startswith("every_") or k == "keep"}
    plain = {k: v for k, v in settings.items() if k not in periods}
    wanted = Trained(None, **plain).run().end()
    steps = 1 if settings.get("batch_size") == "full" else STEPS
    if 8 * steps < wanted["records"][-1].steps:
        stopped(tmp_path / "c", 8 * steps, **settings)
    else:
        stopped(tmp_path / "c", steps + 2, **settings)
    assert Trained(tmp_path / "c", **settings).run().end() == wanted


@pytest.mark.slow
def test_every_state_of_the_disk_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy before each change of the file system is what a kill could have left."""
    folder, copies = tmp_path / "c", []

    def copying(function: Callable[..., Any]) -> Callable[..., Any]:
        def copy_first(*arguments: Any, **more: Any) -> Any:
            if folder.exists() and not copying_now:
                copying_now.append(True)
                copies.append(tmp_path / f"copy{len(copies)}")
                shutil.copytree(folder, copies[-1])
                copying_now.clear()
            return function(*arguments, **more)

        return copy_first

    copying_now: list[bool] = []
    with monkeypatch.context() as patch:
        for name in ("mkdir", "rename", "replace", "fsync", "unlink", "rmdir"):
            patch.setattr(os, name, copying(getattr(os, name)))
        wanted = Trained(folder, every_steps=17).run().end()
    assert len(copies) > 30
    assert any(list(copy.glob("*.part")) for copy in copies)
    whole = {frozenset(p.name for p in c.iterdir() if p.suffix != ".part"): c for c in copies}
    with_parts = [copy for copy in copies if list(copy.glob("*.part"))]
    for copy in [*whole.values(), *with_parts[:: len(with_parts) // 5]]:
        assert Trained(copy, every_steps=17).run().end() == wanted


def names(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    made = Trained(tmp_path, every_epochs=1, keep=2, optimizer="momentum").run()
    losses = [record.validation_loss for record in made.history.epochs]
    best = STEPS * (1 + int(np.argmin(losses)))
    assert names(tmp_path) == sorted({best, STEPS * 8, STEPS * 9})
    worse = Trained(tmp_path / "w", every_epochs=1, keep=1, validation=None, early_stopping=None)
    worse.run()
    assert names(tmp_path / "w") == [STEPS * 9]


def test_without_a_period_there_is_one_at_the_end(tmp_path: Path) -> None:
    Trained(tmp_path, keep=3).run()
    assert names(tmp_path) == [STEPS * EPOCHS]


VALUES = "variables.data-00000-of-00001"


def damages() -> Iterator[tuple[str, Callable[[Path], Any]]]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)

    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-2])

    for name in ("variables.index", VALUES, "checkpoint.json", CHECKSUMS):
        for damage in (flip, cut, Path.unlink):
            yield f"{damage.__name__} {name}", lambda p, n=name, d=damage: d(p / n)
    yield "a file more", lambda path: (path / "more").write_text("x")
    yield "emptied", lambda path: (shutil.rmtree(path), path.mkdir())


QUICK = (f"flip {VALUES}", "cut checkpoint.json", f"unlink {CHECKSUMS}", "emptied")


@pytest.mark.parametrize("what", slow_unless(QUICK.__contains__, dict(damages())))
def test_a_damaged_checkpoint_is_set_aside(folder: Path, what: str) -> None:
    damage = dict(damages())[what]
    newest = max(folder.iterdir())
    damage(newest)
    with pytest.warns(UserWarning, match=rf"{newest.name}: .*damaged .*set aside.*before it"):
        again = Trained(folder).run()
    assert again.end() == undisturbed()
    assert (folder / f"{newest.name}.damaged").is_dir()


def test_where_all_are_damaged_training_begins_again(folder: Path) -> None:
    for path in folder.iterdir():
        (path / CHECKSUMS).write_text("")
    with pytest.warns(UserWarning, match="damaged"):
        again = Trained(folder).run()
    assert again.end() == undisturbed()


def test_a_training_that_is_over_is_not_begun_again(tmp_path: Path) -> None:
    wanted = Trained(tmp_path).run().end()
    again = Trained(tmp_path).run()
    assert again.end() == wanted
    assert again.history.seconds["train"] > 0


def test_more_epochs_go_on_after_the_last(tmp_path: Path) -> None:
    Trained(tmp_path, epochs=4).run()
    assert Trained(tmp_path).run().end() == undisturbed()


@pytest.mark.slow
def test_more_patience_goes_on(tmp_path: Path) -> None:
    settings = {"epochs": 40, "optimizer": "momentum"}
    little = {"early_stopping": EarlyStopping(patience=2, min_delta=0.02)}
    more = {"early_stopping": EarlyStopping(patience=20, min_delta=0.02)}
    first = Trained(tmp_path, **settings, **little).run()
    assert first.history.stop_reason.startswith("early stopping")
    wanted = Trained(None, **settings, **more).run().end()
    assert len(wanted["records"]) > len(first.history.epochs)
    assert Trained(tmp_path, **settings, **more).run().end() == wanted


def test_another_training_is_refused(folder: Path) -> None:
    for settings, fragment in (
        ({"batch_size": 4}, "whose batch_size is 8, but here it is 4"),
        ({"seed": 6}, "order of rows is by seed 5, but here it is by seed 6"),
        ({"shuffle": False}, "but here it is by the table"),
        ({"loss": "mae"}, r"loss is MeanSquaredError\(.*\), but here it is MeanAbsoluteError"),
        ({"l2": 0.1}, r"l2 is 0\.0, but here it is 0\.1"),
        ({"validation": (X_VAL + 1, Y_VAL)}, "hash of validation x"),
        ({"early_stopping": None}, r"early stopping is with min_delta 0, but here it is None"),
        ({"weight": np.ones(ROWS)}, "hash of weight is None"),
    ):
        with pytest.raises(InputError, match=fragment):
            Trained(folder, **settings).run()
    with pytest.raises(InputError, match=r"whose optimizer is Adam\(.*\), but here it is SGD"):
        Trained(folder, optimizer="momentum").run()
    other = Trained(folder)
    other.network = nn.MLP(3, [6], 1, activation="tanh", seed=3)
    with pytest.raises(RunError, match="of another network or optimizer"):
        other.run()
    with pytest.raises(InputError, match="hash of x"):
        fit(other.network, X + 1, Y, **other.arguments)


def test_a_checkpoint_of_another_version_is_refused(folder: Path) -> None:
    for path in folder.iterdir():
        facts = json.loads((path / "checkpoint.json").read_text())
        (path / "checkpoint.json").write_text(json.dumps({**facts, "format": 99}))
        text = (path / CHECKSUMS).read_text().splitlines()
        digest = hashlib.sha256((path / "checkpoint.json").read_bytes()).hexdigest()
        lines = [f"{digest}  checkpoint.json" if "checkpoint.json" in t else t for t in text]
        (path / CHECKSUMS).write_text("\n".join(lines) + "\n")
    with pytest.raises(RunError, match="no checkpoint of this version"):
        Trained(folder).run()


def test_the_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    Trained(tmp_path).run()
    (path,) = [p for p in tmp_path.iterdir() if p.name == f"{STEPS * EPOCHS:012}"]
    subprocess.run(["sha256sum", "--check", "--quiet", CHECKSUMS], cwd=path, check=True)


@pytest.mark.parametrize("call", ["fsync", slow("rename"), slow("mkdir")])
def test_a_checkpoint_that_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = names(folder)

    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            Trained(folder).run()
    assert names(folder) == before
    assert not list(folder.glob("*.part"))
    assert Trained(folder).run().end() == undisturbed()


@pytest.fixture
def _default_signals() -> Iterator[None]:
    kept = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_default_signals")
@pytest.mark.parametrize(
    ("number", "error", "at", "validate_every"),
    [
        slow(signal.SIGINT, KeyboardInterrupt, STEPS * 4 - 2, 3),
        (signal.SIGHUP, Terminated, 20, 1),
        slow(signal.SIGTERM, Terminated, 20, 3),
    ],
)
def test_a_signal_writes_a_checkpoint(
    tmp_path: Path, number: int, error: type[BaseException], at: int, validate_every: int
) -> None:
    """The epoch that the signal cut short is evaluated for the model, which changes nothing."""

    class Signal(Observer):
        looks_at_network = False

        def on_chunk(self, epoch: int, step: int, loss: float) -> None:
            if (epoch - 1) * STEPS + step == at:
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), signal.SIGHUP)  # the shell's, after that of the kernel

    settings: dict[str, Any] = {"validate_every": validate_every}
    with pytest.raises(error) as caught:
        Trained(tmp_path, every_steps=2, observers=[Signal()], **settings).run()
    assert type(caught.value) is error
    assert getattr(caught.value, "number", signal.SIGINT) == number
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    assert max(names(tmp_path)) in (at, at + 2)
    wanted = Trained(None, **settings).run().end()
    assert Trained(tmp_path, every_steps=2, **settings).run().end() == wanted


@pytest.mark.slow
def test_a_time_budget_counts_all_processes(tmp_path: Path) -> None:
    first = Trained(tmp_path, time_budget=1e-9).run()
    assert first.history.stop_reason.startswith("time budget")
    assert first.history.steps < STEPS * EPOCHS
    assert Trained(tmp_path).run().end() == undisturbed()


def test_observers_are_told_of_the_epochs_before(folder: Path) -> None:
    class Note(Observer):
        looks_at_network = False

        def __init__(self) -> None:
            self.told: list[Any] = []

        def on_restore(self, records: Any) -> None:
            self.told += records

        def on_epoch(self, record: Any) -> None:
            self.told.append(record)

    note = Note()
    again = Trained(folder, observers=[note]).run()
    assert note.told == again.history.epochs
    assert [record.epoch for record in note.told] == list(range(1, EPOCHS + 1))


def test_divergence_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    network = nn.MLP(3, [5], 1, activation="relu", seed=3)
    settings: dict[str, Any] = {"optimizer": optimizers.SGD(3.0), "epochs": 200, "batch_size": 8}
    checkpoints = Checkpoints(tmp_path, every_steps=1, keep=1)
    with pytest.raises(DivergedError) as caught:
        fit(network, X, Y, checkpoints=checkpoints, compile="graph", **settings)
    steps = (caught.value.epoch - 1) * STEPS + caught.value.step - 1
    assert max(names(tmp_path)) == steps
    assert all(np.isfinite(v.numpy()).all() for v in network.trainable_variables)


def test_an_update_that_is_not_finite_is_never_saved(tmp_path: Path) -> None:
    """It ends a chunk, and no loss has told of it yet."""
    x, y = np.ones((24, 2), np.float32), np.zeros((24, 1), np.float32)
    y[19] = 1e12
    network = nn.Dense(2, 1, initializer=nn.INITIALIZERS["zeros"]())
    settings: dict[str, Any] = {"optimizer": optimizers.SGD(1e30), "batch_size": 8, "epochs": 4}
    checkpoints = Checkpoints(tmp_path, every_steps=1, keep=1)
    with pytest.raises(DivergedError, match="its update is not") as caught:
        fit(network, x, y, shuffle=False, checkpoints=checkpoints, compile="graph", **settings)
    assert (caught.value.epoch, caught.value.step) == (1, 3)
    assert max(names(tmp_path)) == 2
    reader = tf.train.load_checkpoint(str(tmp_path / f"{2:012}" / "variables"))
    assert np.isfinite(reader.get_tensor("variables/0/.ATTRIBUTES/VARIABLE_VALUE")).all()


def test_what_is_not_ours_stays(folder: Path) -> None:
    for other in ("2023/a.jpg", "z.part/a", f"{7:012}.jpg/a", "000001/x"):
        (folder / other).parent.mkdir()
        (folder / other).write_text("mine")
    Trained(folder).run()
    for other in ("2023/a.jpg", "z.part/a", f"{7:012}.jpg/a", "000001/x"):
        assert (folder / other).read_text() == "mine"


@pytest.mark.slow
def test_an_older_checkpoint_that_is_damaged_is_pruned_like_others(folder: Path) -> None:
    (min(folder.iterdir()) / "checkpoint.json").write_text("{")
    assert Trained(folder).run().end() == undisturbed()
    assert len(names(folder)) <= 3


def test_fewer_epochs_than_were_made(folder: Path) -> None:
    with pytest.raises(InputError, match="has made 5 whole epochs and 0 steps: epochs must not"):
        Trained(folder, epochs=3).run()
    again = Trained(folder, epochs=5).run()
    assert again.history.stop_reason == "all 5 epochs"
    assert again.history.steps == 5 * STEPS


@pytest.mark.slow
def test_a_history_that_is_handed_over_again_holds_each_epoch_once(folder: Path) -> None:
    history = History()
    for _ in range(2):
        Trained(folder, history=history).run()
    assert [record.epoch for record in history.epochs] == list(range(1, EPOCHS + 1))


def test_random_state_goes_on(tmp_path: Path) -> None:
    """Of a generator, which is no module."""

    class Dropout(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(tf.ones([3, 1]))
            self.random = tf.random.Generator.from_seed(3)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return (x * self.random.uniform(tf.shape(x))) @ self.w

    def run(epochs: int, folder: Path | None) -> np.ndarray:
        network = Dropout()
        checkpoints = folder and Checkpoints(folder)
        fit(network, X, Y, epochs=epochs, compile="graph", checkpoints=checkpoints)
        return network.w.numpy()

    run(2, tmp_path)
    np.testing.assert_array_equal(run(5, tmp_path), run(5, None))


@pytest.mark.parametrize(
    "settings", [{"every_epochs": 0}, {"every_steps": 1.5}, {"every_seconds": -1}, {"keep": 0}]
)
def test_settings_that_cannot_be(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        Checkpoints(tmp_path, **settings)
    with pytest.raises(InputError, match="checkpoints must be"):
        fit(nn.MLP(3, [], 1), X, Y, checkpoints=str(tmp_path))  # type: ignore[arg-type]


def test_variables_outside_the_modules_tree_are_saved(tmp_path: Path) -> None:
    """Whatever is trained is saved, though TensorFlow's checkpoints would not find it."""

    class Hidden(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self._w = {("a", "b"): tf.Variable(tf.ones([3, 1]))}  # no key of a checkpoint

        @property
        def trainable_variables(self) -> tuple[tf.Variable, ...]:
            return tuple(self._w.values())

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x @ self._w["a", "b"]

    def run(epochs: int, folder: Path | None) -> np.ndarray:
        network = Hidden()
        checkpoints = folder and Checkpoints(folder)
        fit(network, X, Y, epochs=epochs, batch_size=8, checkpoints=checkpoints)
        return network.trainable_variables[0].numpy()

    run(2, tmp_path)
    np.testing.assert_array_equal(run(4, tmp_path), run(4, None))
