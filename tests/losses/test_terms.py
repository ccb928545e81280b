"""Losses of one's own: functions and classes that give terms, and the objective around them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tftrain import losses
from tftrain.errors import InputError, ShapeError
from tftrain.losses import L2, FunctionLoss, Objective, name_of

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.standard_normal((5, 3)), np.array([0, 2, 1, 1, 0])
WEIGHT = np.array([0.5, 1.0, 0.0, 2.5, 1.0])


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def by_hand(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_a_function_is_the_mean_of_its_terms(weight: np.ndarray | None) -> None:
    given = None if weight is None else tf.constant(weight)
    value = losses.get(cross_entropy)(tf.constant(LOGITS), tf.constant(LABELS), given)
    terms = by_hand(LOGITS, LABELS)
    expected = np.mean(terms if weight is None else weight * terms)
    assert float(value) == pytest.approx(expected, rel=1e-14)


def test_a_loss_may_sum_its_terms() -> None:
    class Summed(losses.Loss):
        mean = False

        def terms(self, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
            return cross_entropy(prediction, target)

        def scale(self, terms: tf.Tensor) -> tf.Tensor:
            return tf.ones([], terms.dtype)

    value = Summed()(tf.constant(LOGITS), tf.constant(LABELS))
    assert float(value) == pytest.approx(by_hand(LOGITS, LABELS).sum(), rel=1e-14)


def test_terms_may_have_the_shape_of_the_targets() -> None:
    """Three quantiles of each of two targets."""
    levels = np.array([0.1, 0.5, 0.9])

    def pinball(prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        error = target[:, :, None] - tf.reshape(prediction, [-1, 2, 3])
        return tf.reduce_sum(tf.maximum(levels * error, (levels - 1) * error), axis=2)

    prediction, target = RNG.standard_normal((4, 6)), RNG.standard_normal((4, 2))
    error = target[:, :, None] - prediction.reshape(4, 2, 3)
    expected = np.where(error > 0, levels * error, (levels - 1) * error).sum() / 8
    value = losses.get(pinball)(tf.constant(prediction), tf.constant(target))
    assert float(value) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("function", "target", "message"),
    [
        (lambda p, t: tf.reduce_mean(p), LOGITS, r"terms .* shape \(\)"),
        (lambda p, t: tf.reduce_mean(tf.square(p - t), axis=0), LOGITS, r"terms .* shape \(3,\)"),
        (lambda p, t: p[:, :1] - t, LOGITS[:, 0], r"terms .* shape \(5, 5\)"),
        (lambda p, t: tf.cast(p, tf.float32), LOGITS, "return one float64 for each case"),
        (lambda p, t: p, LOGITS[:1], "neither reduced nor broadcast"),
        (lambda p, t: p > 0, LOGITS, "terms of bool"),
        (lambda p, t: p - t, LOGITS[:, :2], r"cannot be computed .* \(5, 2\), in this order: "),
        (lambda p, t: None, LOGITS, "cannot be computed"),
        (lambda p: p, LOGITS, "positional argument"),
        (lambda p, t: p[:, 0] - t, LABELS, "int64.*give floating-point numbers"),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_not_a_term_for_each_case_is_refused(
    function: Callable[..., Any], target: np.ndarray, message: str, compiled: bool
) -> None:
    loss: Any = losses.get(function)
    program = tf.function(loss, autograph=False) if compiled else loss
    with pytest.raises(InputError, match=rf"^the loss <lambda> .*{message}"):
        program(tf.constant(LOGITS), tf.constant(target))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_targets_along_the_units_are_refused_where_their_number_is_that_of_cases(
    count: int,
) -> None:
    """`(n, n)` against `(n,)` would be broadcast; labels of that shape are none the worse."""
    square, labels = tf.zeros([count, count]), tf.zeros([count], tf.int32)
    with pytest.raises(ShapeError, match="neither reduced nor broadcast"):
        losses.get(lambda p, t: tf.square(p - t))(square, tf.zeros([count]))
    assert float(losses.get(cross_entropy)(square, labels)) == pytest.approx(np.log(count))


def test_unknown_numbers_of_cases_are_checked_as_the_program_runs() -> None:
    specs = [tf.TensorSpec([None, 1]), tf.TensorSpec([None])]
    loss: Any = losses.get(lambda p, t: p - t)
    program = tf.function(loss, autograph=False, input_signature=specs)
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        program(tf.zeros([4, 1]), tf.zeros([4]))


def test_a_class_without_terms_says_what_to_do() -> None:
    class Square(losses.Loss):
        def term(self, error: tf.Tensor) -> tf.Tensor:
            return error * error

    class Renamed(losses.Elementwise):
        pass

    tensors = tf.constant(LOGITS), tf.constant(LOGITS)
    with pytest.raises(InputError, match=r"Square has a method term.*losses\.Elementwise"):
        Square()(*tensors)
    with pytest.raises(InputError, match=r"Loss has no method terms\(prediction, target\)"):
        losses.Loss()(*tensors)
    with pytest.raises(InputError, match=r"Renamed has no method term\(error\)"):
        Renamed()(*tensors)


def test_names() -> None:
    class Scaled:
        def __call__(self, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
            return prediction - target

    loss = losses.get(cross_entropy)
    assert isinstance(loss, FunctionLoss)
    assert losses.get(loss) is loss
    named = [cross_entropy, tf.function(cross_entropy), Scaled(), losses.Huber(2)]
    assert [name_of(losses.get(one)) for one in named] == [
        "cross_entropy",
        "cross_entropy",
        "Scaled",
        "Huber",
    ]
    assert name_of(losses.get(partial(cross_entropy))) == "partial"
    with pytest.raises(InputError, match="must be an object, got the class Huber"):
        losses.get(losses.Huber)  # type: ignore[arg-type]


def test_an_objective_is_the_loss_and_its_penalties() -> None:
    weight, bias = tf.Variable(LOGITS), tf.Variable(LOGITS[0])
    tensors = tf.constant(LOGITS), tf.constant(LABELS), tf.constant(WEIGHT)
    loss = losses.get(cross_entropy)
    plain, penalised = Objective.with_l2(loss, 0), Objective.with_l2(loss, 0.3)
    assert (plain.penalties, penalised.penalties) == ((), (L2(0.3),))
    value = float(plain([weight, bias], *tensors))
    assert value == float(loss(*tensors))
    more = float(penalised([weight, bias], *tensors))
    assert more == pytest.approx(value + 0.15 * np.sum(LOGITS**2), rel=1e-14)
    with pytest.raises(InputError, match="l2 must be at least 0"):
        Objective.with_l2(loss, -1)
