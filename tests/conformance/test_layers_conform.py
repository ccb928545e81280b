"""Checks that run over every layer of the table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.support.table import (
    DTYPES,
    LAYERS,
    Row,
    assert_close,
    central_differences,
    in_turn,
    ulps,
)
from tftrain.errors import RunError
from tftrain.graph import leaves, mapped
from tftrain.runs.inspection import require_harmless

KINDS = [row for row in LAYERS if not row.initializer]
"""All but the rows that differ only in the initial values of the same layer."""

every_row = pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.name)
every_layer = pytest.mark.parametrize("row", KINDS, ids=lambda row: row.name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_in_one_dtype = in_turn(KINDS)


def numbers_of(x: Any) -> list[tf.Tensor]:
    """Return the inputs that have a derivative."""
    return [one for one in leaves(x) if one.dtype.is_floating]


def output_and_gradients(layer: tf.Module, x: Any) -> list[tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(numbers_of(x))
        output = layer(x)
        total = tf.reduce_sum(tf.square(output))
    gradients = tape.gradient(total, [*numbers_of(x), *layer.trainable_variables])
    return [output, *map(tf.convert_to_tensor, gradients)]


@each_in_one_dtype
def test_eager_graph_and_xla_agree_within_64_ulps(row: Row, dtype: str) -> None:
    layer, x = row.make(dtype), row.inputs(dtype)
    eager = output_and_gradients(layer, x)
    for jit in (False, True):
        program = tf.function(lambda x: output_and_gradients(layer, x), jit_compile=jit)
        assert_close(program(x), eager, ulps(64, dtype))


@every_row
@every_dtype
def test_dtype_is_kept(row: Row, dtype: str) -> None:
    layer = row.make(dtype)
    results = output_and_gradients(layer, row.inputs(dtype))
    assert {result.dtype.name for result in results} == {dtype}
    assert {v.dtype.name for v in layer.trainable_variables} <= {dtype}


@every_row
def test_float32_follows_float64(row: Row) -> None:
    single = row.make("float32")(row.inputs("float32"))
    double = row.make("float64")(row.inputs("float64"))
    assert_close([single], [double], ulps(64, "float32"))


@every_layer
def test_cases_do_not_influence_each_other(row: Row) -> None:
    layer, x = row.make("float64"), row.inputs("float64", rows=6)
    cases = (mapped(lambda one, i=i: one[i : i + 1], x) for i in range(6))
    one_by_one = tf.concat([layer(case) for case in cases], axis=0)
    assert_close([one_by_one], [layer(x)], ulps(8, "float64"))


@every_layer
def test_gradients_against_central_differences(row: Row) -> None:
    layer = row.make("float64")
    x = mapped(tf.Variable, row.inputs("float64", rows=2))
    variables = [*numbers_of(x), *layer.trainable_variables]

    def objective() -> tf.Tensor:
        return tf.reduce_sum(tf.square(layer(mapped(tf.convert_to_tensor, x)) + 0.5))

    with tf.GradientTape() as tape:
        value = objective()
    gradients = map(tf.convert_to_tensor, tape.gradient(value, variables))
    assert_close([*gradients], [central_differences(objective, v) for v in variables], 1e-7)


@each_in_one_dtype
def test_saved_model_round_trip(row: Row, dtype: str, tmp_path: Path) -> None:
    layer, x = row.make(dtype), row.inputs(dtype)
    spec = mapped(lambda one: tf.TensorSpec([None, *one.shape[1:]], one.dtype), x)
    layer.serve = tf.function(layer.__call__, input_signature=[spec])
    tf.saved_model.save(layer, str(tmp_path))
    try:
        require_harmless(tmp_path)
    except RunError as error:
        pytest.fail(f"{error}\nIf it does neither, add it to CALCULATING in runs/inspection.py")
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_array_equal(loaded.serve(x), layer.serve(x))
    assert_close([loaded.serve(x)], [layer(x)], ulps(64, dtype))


@every_layer
def test_checkpoint_round_trip(row: Row, tmp_path: Path) -> None:
    layer, other = row.make("float64"), row.make("float64")
    for number, variable in enumerate(layer.trainable_variables):
        variable.assign(tf.random.stateless_normal(variable.shape, [number, 1], dtype=tf.float64))
    path = tf.train.Checkpoint(layer=layer).save(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(layer=other).restore(path).assert_consumed()
    for one, same in zip(layer.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, same)
    x = row.inputs("float64")
    np.testing.assert_array_equal(layer(x), other(x))
