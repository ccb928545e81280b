"""What all optimizers share."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tftrain import optimizers
from tftrain.errors import InputError
from tftrain.optimizers import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Constant,
    Lamb,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
)


def test_a_number_is_a_constant_schedule() -> None:
    assert isinstance(SGD(0.5).schedule, Constant)
    assert SGD(0.5).schedule.learning_rate == 0.5


def test_one_slot_of_each_name_per_parameter_starting_at_zero() -> None:
    parameters = [tf.Variable(tf.ones([2, 3])), tf.Variable(tf.ones([3], tf.float64))]
    optimizer = Adam()
    optimizer.build(parameters)
    for slots, parameter in zip(optimizer.slots, parameters, strict=True):
        assert set(slots) == {"mean", "mean_square"}
        for slot in slots.values():
            assert slot.dtype == parameter.dtype
            np.testing.assert_array_equal(slot, np.zeros(parameter.shape))


def test_plain_gradient_descent_keeps_no_slots() -> None:
    parameter, optimizer = tf.Variable([1.0]), SGD(0.1)
    optimizer.apply([tf.ones([1])], [parameter])
    assert optimizer.variables == (optimizer.step,)


def test_building_twice_for_the_same_parameters_keeps_the_slots() -> None:
    parameter, optimizer = tf.Variable([1.0]), SGD(0.1, momentum=0.9)
    optimizer.apply([tf.ones([1])], [parameter])
    optimizer.build([parameter])
    np.testing.assert_allclose(optimizer.slots[0]["velocity"], [-0.1])


def test_parameters_of_another_network() -> None:
    optimizer = SGD(0.1)
    optimizer.build([tf.Variable([1.0])])
    with pytest.raises(InputError, match="make a new one for each network"):
        optimizer.build([tf.Variable([1.0])])


def test_parameters_of_several_dtypes_each_keep_their_own() -> None:
    parameters = [tf.Variable([1.0]), tf.Variable([1.0], dtype=tf.float64)]
    SGD(0.1, momentum=0.5).apply([tf.ones([1]), tf.ones([1], tf.float64)], parameters)
    assert parameters[0].numpy() == np.float32(0.9)
    assert parameters[1].numpy() == 0.9


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_by_name_a_new_one_each_time(name: str) -> None:
    first, second = optimizers.get(name), optimizers.get(name)
    assert type(first) is optimizers.OPTIMIZERS[name]
    assert first is not second


def test_an_optimizer_is_taken_as_it_is() -> None:
    optimizer = SGD(0.1)
    assert optimizers.get(optimizer) is optimizer


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="did you mean rmsprop"):
        optimizers.get("rmspropp")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "learning rate must be positive"),
        (lambda: Adam(math.nan), "learning rate must be positive"),
        (lambda: SGD(momentum=1.0), "momentum must be"),
        (lambda: SGD(momentum=-0.1), "momentum must be"),
        (lambda: SGD(nesterov=True), "nesterov needs a momentum"),
        (lambda: SGD(clip_value=0.0), "clip_value must be positive"),
        (lambda: Adagrad(clip_norm=-1.0), "clip_norm must be positive"),
        (lambda: RMSprop(clip_norm=math.nan), "clip_norm must be positive"),
        (lambda: RMSprop(rho=1.0), "rho must be"),
        (lambda: Adam(beta_1=1.0), "beta_1 must be"),
        (lambda: Adam(beta_2=-0.5), "beta_2 must be"),
        (lambda: AdamW(weight_decay=-0.1), "weight_decay must be"),
        (lambda: AdamW(beta_2=1.0), "beta_2 must be"),
        (lambda: Adam(epsilon=-1.0), "epsilon must be"),
        (lambda: Nadam(beta_1=1.0), "beta_1 must be"),
        (lambda: Lamb(weight_decay=-0.1), "weight_decay must be"),
        (lambda: Lion(weight_decay=-0.1), "weight_decay must be"),
        (lambda: Lion(beta_2=1.0), "beta_2 must be"),
        (lambda: RMSprop(epsilon=-1.0), "epsilon must be"),
        (lambda: Adagrad(epsilon=-1.0), "epsilon must be"),
        (lambda: Adam(None), "learning rate must be a number, got None"),
        (lambda: Adam("0.1"), "learning rate must be a number, got '0.1'"),
        (lambda: SGD(True), "learning rate must be a number, got True"),
        (lambda: Adam(beta_1="0.9"), "beta_1 must be a number, got '0.9'"),
        (lambda: SGD(clip_norm="x"), "clip_norm must be a number, got 'x'"),
        (lambda: SGD(clip_norm=math.inf), "clip_norm must be positive and finite"),
        (lambda: SGD(momentun=0.9), "unknown setting of SGD 'momentun', did you mean momentum"),
        (lambda: Adam(clipnorm=1.0), "of Adam 'clipnorm', did you mean clip_norm"),
        (lambda: AdamW(weigt_decay=3), "of AdamW 'weigt_decay', did you mean weight_decay"),
        (lambda: RMSprop(rh=3), "Known: learning_rate, rho, epsilon, clip_value, clip_norm"),
        (
            lambda: optimizers.get({"kind": "adam"}),
            "optimizer must be one of sgd, .*{'kind': 'adam'}",
        ),
    ],
)
def test_wrong_settings(make: Callable[[], Optimizer], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
