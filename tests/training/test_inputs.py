"""Networks with several inputs: tuples and dictionaries of arrays, numbers and codes."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError
from tftrain.graph import leaves, mapped, named, packed
from tftrain.training.evaluator import predict_in_blocks

ROWS = 30
RNG = np.random.default_rng(5)
X = {
    "left": RNG.standard_normal((ROWS, 3)),
    "right": RNG.standard_normal((ROWS, 2)),
    "code": RNG.integers(0, 4, ROWS),
}
Y = RNG.standard_normal((ROWS, 1))


class Towers(tf.Module):
    """The inner product of two towers, scaled by a factor for each code."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Dense(3, 4, seed=1), nn.Dense(2, 4, seed=2)
        self.factor = tf.Variable([0.5, 1.0, 1.5, 2.0])

    def __call__(self, x: dict[str, tf.Tensor]) -> tf.Tensor:
        assert x["code"].dtype.is_integer
        inner = tf.reduce_sum(self.left(x["left"]) * self.right(x["right"]), 1)
        return tf.expand_dims(inner * tf.gather(self.factor, x["code"]), 1)


class Pair(NamedTuple):
    a: Any
    b: Any


def mlp(dtype: str = "float64") -> nn.MLP:
    return nn.MLP(3, [4], 1, embeddings=[(4, 2)], dropout=0.2, dtype=dtype, seed=1)


def numbers_and_codes() -> tuple[np.ndarray, np.ndarray]:
    return X["left"], X["code"]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_a_network_of_ones_own_takes_a_dictionary(mode: str) -> None:
    towers, expected = Towers(), Towers()
    tftrain.fit(towers, X, Y, epochs=2, batch_size=8, optimizer="sgd", compile=mode, seed=3)
    factor = expected.factor.numpy()
    for epoch in range(2):  # the same by hand
        order = tftrain.streams.batch_order(ROWS, 3, epoch)
        for start in range(0, ROWS, 8):
            x = mapped(lambda one, rows=order[start : start + 8]: tf.constant(one[rows]), X)
            x = {k: tf.cast(v, tf.int32 if k == "code" else tf.float32) for k, v in x.items()}
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((expected(x) - Y[order[start : start + 8]]) ** 2)
            variables = expected.trainable_variables
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(0.01 * tf.convert_to_tensor(gradient))
    assert not np.allclose(towers.factor, factor)
    for one, other in zip(towers.trainable_variables, expected.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_such_a_network_is_checked_and_traced() -> None:
    report = tftrain.gradcheck(Towers(), X, Y, optimizer="adam")
    assert report.ok, report
    trace = tftrain.trace(Towers(), X, Y)
    code, left, right = trace.x  # in the order of the keys
    np.testing.assert_array_equal(code, X["code"])
    assert trace.nodes[0].argument(trace.x)["right"] is right
    assert not trace.at_input[0].any()
    assert trace.at_input[1].shape == left.shape


@pytest.mark.parametrize("factor", [1.01, 1.0])
def test_a_wrong_gradient_in_such_a_network_is_found(factor: float) -> None:
    class Wrong(Towers):
        def __call__(self, x: dict[str, tf.Tensor]) -> tf.Tensor:
            wrong = tf.custom_gradient(lambda right: (right, lambda dy: factor * dy))
            return super().__call__(x | {"right": wrong(x["right"])})

    assert tftrain.gradcheck(Wrong(), X, Y, modes=["graph"]).ok == (factor == 1)


def test_rows_of_all_inputs_stay_together() -> None:
    """The target is the difference of two inputs that are equal: any mix-up has a loss."""

    class Apart(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(0.0)

        def __call__(self, x: Pair) -> tf.Tensor:
            return x.a - x.b + self.w * 0

    column = np.arange(50.0).reshape(-1, 1)
    history = tftrain.fit(
        Apart(),
        Pair(column, column),
        0 * column,
        epochs=2,
        batch_size=7,
        validation=(Pair(column, column), 0 * column),
    )
    assert not history.losses.any()
    assert history.epochs[-1].validation_loss == 0


def test_a_resumed_training_ends_bit_for_bit_the_same(tmp_path: Path) -> None:
    def trained(folder: str, *epochs: int) -> nn.MLP:
        for count in epochs:
            network = mlp()
            checkpoints = tftrain.Checkpoints(tmp_path / folder, every_epochs=1)
            tftrain.fit(network, numbers_and_codes(), Y, epochs=count, checkpoints=checkpoints)
        return network

    one, other = trained("whole", 6), trained("twice", 2, 6)
    for a, b in zip(one.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_codes_are_another_training(tmp_path: Path) -> None:
    x, codes = numbers_and_codes()
    checkpoints = tftrain.Checkpoints(tmp_path, every_epochs=1)
    tftrain.fit(mlp(), (x, codes), Y, epochs=1, checkpoints=checkpoints)
    with pytest.raises(InputError, match=r"hash of x\[1\]"):
        tftrain.fit(mlp(), (x, (codes + 1) % 4), Y, epochs=2, checkpoints=checkpoints)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ((X["left"], X["code"] + 1), r"x\[1\]\[\d+\] is 4, but the network takes codes there"),
        ((X["left"], X["code"] * 0.5), "is 0.5, but the network takes codes there, whole numbers"),
        ((X["left"], X["code"] - 4), "is -[1-4], but"),
        ((X["left"],), "takes a tuple or a dictionary of 2 inputs, got 1"),
        (X["left"], "a tuple or a dictionary of 2 inputs, got 1"),
        ((X["left"], X["code"], X["code"]), "of 2 inputs, got 3"),
        ((X["left"], X["code"][:5]), r"x\[1\] has shape \(5,\) and y has shape"),
        ((X["left"], np.full(ROWS, np.nan)), "is nan, but the network takes codes"),
        ((np.full((ROWS, 3), np.inf), X["code"]), r"x\[0\]\[0, 0\] is inf"),
        ((X["left"], ["a"] * ROWS), r"x\[1\] must hold numbers"),
    ],
)
def test_what_does_not_fit(x: Any, message: str) -> None:
    for door in (tftrain.fit, tftrain.gradcheck, tftrain.trace):
        with pytest.raises(InputError, match=message):
            door(mlp(), x, Y)


def test_parallel_is_the_first_layer() -> None:
    inner = nn.Parallel([[], nn.Embedding(4, 2)], nn.Concat())
    with pytest.raises(InputError, match="make it the first layer"):
        tftrain.fit(nn.Sequential([nn.Dense(3, 3), inner]), X["left"], Y)


def test_a_list_is_one_array() -> None:
    network = nn.Dense(2, 1, seed=1)
    losses = [
        tftrain.fit(nn.Dense(2, 1, seed=1), x, [[1], [2]], epochs=2).losses
        for x in ([[1, 2], [3, 4]], ([1, 2], [3, 4]), np.array([[1, 2], [3, 4]]))
    ]
    assert network is not None
    np.testing.assert_array_equal(losses[0], losses[1])
    np.testing.assert_array_equal(losses[0], losses[2])


def test_a_column_of_codes_alone_goes_to_an_embedding() -> None:
    network = nn.Sequential([nn.Embedding(4, 2, seed=1), nn.Dense(2, 1, seed=2)])
    assert tftrain.gradcheck(network, X["code"], Y).certified
    assert tftrain.trace(network, X["code"], Y).x.dtype.kind == "i"


def test_predicting_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = mlp(), mapped(lambda one: one, numbers_and_codes())
    whole = network(mapped(tf.constant, x)).numpy()
    monkeypatch.setattr("tftrain.training.evaluator.BATCH_ROWS", 7)
    np.testing.assert_allclose(predict_in_blocks(network, x), whole, rtol=1e-13)


def test_nests_are_ordered_as_in_tensorflow() -> None:
    nest = {"b": (1, Pair(2, {"z": 3, "y": 4})), "a": 5}
    assert leaves(nest) == tf.nest.flatten(nest)
    assert packed(nest, "vwxyz") == tf.nest.pack_sequence_as(nest, list("vwxyz"))
    assert dict(named("x", nest))["x['b'][1].b['y']"] == 4
