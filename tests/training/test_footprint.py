"""The least memory of a training: refused where it is not there, and never more than is taken."""

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.support.parameters import slow_unless
from tftrain import fit, memory
from tftrain.errors import InputError, OutOfMemoryError
from tftrain.memory import Limit
from tftrain.nn import MIXED, MLP, Dense
from tftrain.training import EarlyStopping, footprint
from tftrain.training.footprint import is_mapped

MODES = ("auto", "eager", "graph", "xla")


def variable(*shape: int) -> tf.Variable:
    values = np.random.default_rng(0).normal(size=shape) / shape[0] ** 0.5
    return tf.Variable(values, dtype=tf.float32)


class Product(tf.Module):
    """A hidden layer without bias, of 1,000 units; `if_positive` cannot be traced."""

    def __init__(self, if_positive: bool = False) -> None:
        super().__init__()
        self.inner, self.outer = variable(4, 1000), variable(1000, 2)
        self.if_positive = if_positive
        self.calls = 0

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.calls += 1
        if self.if_positive and not tf.reduce_sum(x) > 1e9:
            x = -x
        return tf.tanh(x @ self.inner) @ self.outer


class Compiled(Product):
    """The same as a function of its own within the program."""

    @tf.function
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x @ self.inner) @ self.outer


class Frozen(tf.Module):
    """Ten layers of which only the last is trained: no engine keeps the others' activations."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed = [tf.Variable(tf.eye(100), trainable=False) for _ in range(10)]
        self.outer = variable(100, 2)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        for weight in self.fixed:
            x = tf.nn.relu(x @ weight)
        return x @ self.outer


class Twice(Product):
    """Computes the same product twice, which graph mode and XLA do not."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return (tf.tanh(x @ self.inner) * tf.sigmoid(x @ self.inner)) @ self.outer


class Recomputed(tf.Module):
    """Keeps the input of each of four blocks of layers only, as `tf.recompute_grad` does."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = [[variable(100, 400), variable(400, 100)] for _ in range(4)]
        self.outer = variable(100, 2)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        for inner, outer in self.weights:
            x = tf.recompute_grad(lambda x, a=inner, b=outer: x + tf.nn.relu(x @ a) @ b)(x)
        return x @ self.outer


class Convolution(tf.Module):
    """Two layers of sixteen channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.outer = (
            variable(3, 3, 3, 16),
            variable(3, 3, 16, 16),
            variable(16, 2),
        )

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        for filters in (self.first, self.second):
            x = tf.nn.elu(tf.nn.conv2d(x, filters, 1, "SAME"))
        return tf.reduce_mean(x, [1, 2]) @ self.outer


class Attention(tf.Module):
    """Softmax attention among the positions of each row; by einsum if asked."""

    def __init__(self, einsum: bool = False) -> None:
        super().__init__()
        self.maps = [variable(8, 8) for _ in range(3)]
        self.outer = variable(8, 2)
        self.einsum = einsum

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        q, k, v = (tf.matmul(x, weight) for weight in self.maps)
        scores = (
            tf.einsum("btd,bsd->bts", q, k) if self.einsum else tf.matmul(q, k, transpose_b=True)
        )
        return tf.reduce_mean(tf.nn.softmax(scores) @ v, axis=1) @ self.outer


def rows(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=shape).astype("float32"), rng.normal(size=(shape[0], 2)).astype(
        "float32"
    )


def limit_to(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(memory, "limit", lambda: Limit(int(size), "this machine has"))


def least(monkeypatch: pytest.MonkeyPatch, network: tf.Module, x: Any, y: Any, **more: Any) -> int:
    """Return the bytes from which on `fit` would begin; it does not."""
    settings = {"epochs": 1, "batch_size": "full", "compile": "graph", **more}
    asked = []

    class ReachedError(Exception):
        pass

    def reached(*arguments: Any, **more: Any) -> None:
        raise ReachedError

    def ask(purpose: str, *needs: memory.Need) -> None:
        asked.append(sum(need.size for need in needs))

    with monkeypatch.context() as patch:
        limit_to(patch, 0)
        patch.setattr("tftrain.training.api.Engine", reached)
        patch.setattr(
            footprint, "require", lambda _, *needs: asked.append(sum(n[0] for n in needs))
        )
        with pytest.raises(ReachedError):
            fit(network, x, y, **settings)
    return max(asked)


def parameters(network: tf.Module) -> int:
    return sum(4 * int(np.prod(v.shape)) for v in network.trainable_variables)


@pytest.mark.parametrize(
    ("network", "shape", "bytes_"),
    [
        (lambda: MLP(4, [1000, 1000], 2), (5000, 4), 3 * 4000),  # two layers kept, and a delta
        (lambda: MLP(4, [1000, 1000], 2, precision=MIXED), (5000, 4), 3 * 2000),
        (Product, (5000, 4), 2 * 4000),
        (Compiled, (5000, 4), 2 * 4000),
        (Twice, (5000, 4), 2 * 4000),
        (Frozen, (5000, 100), 2 * 400),  # input and output of one layer
        (Recomputed, (5000, 100), 1600 + 400 * 3),
        (Convolution, (100, 16, 16, 3), 3 * 16 * 16 * 16 * 4),
        (Attention, (50, 60, 8), 2 * 60 * 60 * 4),
        (lambda: Attention(einsum=True), (50, 60, 8), 2 * 60 * 60 * 4),
    ],
    ids=["mlp", "mixed", "product", "compiled", "twice", "frozen", "recomputed", "conv",
         "attention", "einsum"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:the network computes in bfloat16")
def test_the_activations_that_have_to_be_kept(
    monkeypatch: pytest.MonkeyPatch, network: Any, shape: tuple[int, ...], bytes_: int
) -> None:
    """Against counting by hand; what is small beside it, such as outputs, is left out there."""
    x, y = rows(*shape)
    made = network()
    found = least(monkeypatch, made, x, y, optimizer="sgd")
    counted = bytes_ * len(x) + x.nbytes + y.nbytes + parameters(made)
    assert counted <= found + 1024 <= 1.25 * counted


@pytest.mark.parametrize("mode", slow_unless("graph".__eq__, MODES))
@pytest.mark.parametrize("network", [lambda: MLP(4, [1000], 2), Product, Compiled])
def test_a_batch_beyond_memory_is_refused_and_one_within_is_trained(
    monkeypatch: pytest.MonkeyPatch, mode: str, network: Any
) -> None:
    x, y = rows(2000, 4)
    made = network()
    before = [v.numpy() for v in made.variables]
    limit_to(monkeypatch, 10e6)
    said = (
        r"^out of memory: a training step needs at least 1\d\.\d MiB, but this machine has "
        r"9\.5 MiB\. 15\.3 MiB of it are for the activations of a batch of 2,000 rows and their "
        r"deltas, the largest of shape \(2000, 1000\): make .*training\.batch_size"
    )
    with pytest.raises(OutOfMemoryError, match=said):
        fit(made, x, y, batch_size="full", compile=mode, epochs=1)
    assert all((v.numpy() == b).all() for v, b in zip(made.variables, before, strict=True))
    history = fit(made, x, y, batch_size=1000, compile=mode, epochs=1)
    assert len(history.epochs) == 1


@pytest.mark.parametrize(
    ("shape", "network"), [((50, 8, 8, 3), Convolution), ((20, 60, 8), Attention)]
)
def test_networks_of_other_kinds(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], network: Any
) -> None:
    x, y = rows(*shape)
    made = network()
    most = least(monkeypatch, made, x, y)
    limit_to(monkeypatch, most)
    fit(made, x, y, batch_size="full", epochs=1)
    limit_to(monkeypatch, most - 1)
    with pytest.raises(OutOfMemoryError, match=r"for the activations of a batch of \d+ rows"):
        fit(made, x, y, batch_size="full", epochs=1)


@pytest.mark.parametrize(
    ("settings", "copies"),
    [
        ({"optimizer": "adagrad"}, 4),
        ({"optimizer": "adam"}, 6),
        ({"optimizer": "adam", "early_stopping": EarlyStopping(3)}, 7),
    ],
)
def test_a_network_beyond_memory(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], copies: int
) -> None:
    """Parameters and slots before and after a step, and the best weights."""
    x, y = rows(20, 4)
    network = MLP(4, [300, 300], 2)
    found = least(monkeypatch, network, x, y, validation=(x, y), **settings)
    table = 2 * (x.nbytes + y.nbytes)
    assert found == pytest.approx(copies * parameters(network) + table, abs=128)
    limit_to(monkeypatch, found - 1)
    with pytest.raises(OutOfMemoryError, match=r"training needs .* for the 92,402 parameters with"):
        fit(network, x, y, validation=(x, y), **settings)


def test_a_table_beyond_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    x, y = rows(20_000, 30)
    limit_to(monkeypatch, 2e6)
    with pytest.raises(OutOfMemoryError, match=r"2\.4 MiB of it are for the rows of the table: tr"):
        fit(Dense(30, 2), x, y, epochs=1)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="c")
    assert is_mapped(mapped[5:])
    fit(Dense(30, 2), mapped, y, epochs=1)  # the system drops what it can read again


def test_the_block_of_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of up to 2,048 rows, however small the batches are."""
    x, y = rows(2100, 4)
    limit_to(monkeypatch, 4e6)
    network = MLP(4, [1000, 10], 2)
    fit(network, x, y, epochs=1)
    said = r"^out of memory: evaluation needs .* activations of 2,048 rows, which are evaluated tog"
    with pytest.raises(OutOfMemoryError, match=said):
        fit(network, x, y, epochs=1, validation=(x, y))
    fit(network, x, y, epochs=1, validation=(x[:500], y[:500]))


def test_what_cannot_be_traced_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rows(2000, 4)
    limit_to(monkeypatch, 10e6)
    fit(Product(if_positive=True), x, y, batch_size="full", compile="eager", epochs=1)
    with pytest.raises(InputError, match="takes a tensor for a Python value"):
        fit(Product(if_positive=True), x, y, batch_size="full", compile="graph", epochs=1)


def test_small_trainings_are_not_traced_a_second_time() -> None:
    x, y = rows(2000, 4)
    network = Product()
    fit(network, x, y, compile="graph", epochs=1)
    assert network.calls == 3  # on a row, to see what it uses; a whole batch, and the rest


TAKEN = """
import sys
from itertools import product
import numpy as np, tensorflow as tf
from tftrain import fit, memory, nn
from tftrain.training import api, footprint

name, mode = sys.argv[1:]

def status(key):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))

def rows(*shape):
    return tf.random.stateless_normal(shape, [1, 2])

class Convolution(tf.Module):
    def __init__(self):
        self.filters = [tf.Variable(rows(3, 3, i, 16) / 9) for i in (3, 16, 16, 16)]
        self.outer = tf.Variable(rows(16, 1))
    def __call__(self, x):
        for filters in self.filters:
            x = tf.nn.relu(tf.nn.conv2d(x, filters, 1, "SAME"))
        return tf.reduce_mean(x, [1, 2]) @ self.outer

class Attention(tf.Module):
    def __init__(self):
        self.maps, self.outer = [tf.Variable(rows(8, 8)) for _ in range(3)], tf.Variable(rows(8, 1))
    def __call__(self, x):
        q, k, v = (tf.matmul(x, weight) for weight in self.maps)
        h = tf.nn.softmax(tf.matmul(q, k, transpose_b=True)) @ v
        return tf.reduce_mean(h, axis=1) @ self.outer

network, x, batch = {
    "deep": (lambda: nn.MLP(8, [100] * 6, 1), (200_000, 8), "full"),
    "wide": (lambda: nn.MLP(2, [2000], 1, activation="tanh"), (60_000, 2), "full"),
    "gathered": (lambda: nn.MLP(500, [500], 2, activation="gelu"), (100_000, 500), 90_000),
    "mixed": (lambda: nn.MLP(4, [100], 2, precision=nn.MIXED), (200_000, 4), "full"),
    "convolution": (Convolution, (500, 32, 32, 3), "full"),
    "attention": (Attention, (200, 600, 8), "full"),
}[name]
fit(nn.MLP(3, [4], 1), np.ones((64, 3)), np.ones((64, 1)), epochs=1, compile=mode)
before = status("VmRSS")
network, x = network(), rows(*x)
y = rows(len(x), network(x[:1]).shape[-1])
least = []
footprint.require = lambda purpose, *needs: least.append(sum(need.size for need in needs))
memory.limit = lambda: memory.Limit(0, "")
fit(network, x, y, epochs=2, batch_size=batch, compile=mode)
print(max(least), status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what is taken")
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *product(["deep", "wide", "gathered", "mixed", "convolution", "attention"], ["graph"]),
        *product(["deep", "gathered", "attention"], ["xla"]),
        ("wide", "eager"),
    ],
)
def test_no_engine_takes_less(name: str, mode: str) -> None:
    """Half a gigabyte and more, in a process of its own, whose peak the system tells."""
    command = [sys.executable, "-W", "ignore", "-c", TAKEN, name, mode]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    least, taken = map(int, done.stdout.split())
    assert 0.1 * taken < least <= taken


def test_a_product_of_vectors_is_stored_where_nothing_is_fused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One column and one wide layer: 4 MB of activations in graph mode; XLA need not store them."""
    x = np.ones((1000, 1), np.float32)
    limit_to(monkeypatch, 3e6)
    network = MLP(1, [1000], 1, seed=0)
    for mode in ("graph", "eager"):
        with pytest.raises(OutOfMemoryError, match=r"the largest of shape \(1000, 1000\)"):
            fit(network, x, x * 2, epochs=1, batch_size="full", compile=mode)
    fit(network, x, x * 2, epochs=1, batch_size="full", compile="xla")
