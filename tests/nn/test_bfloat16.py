"""Hidden layers that compute in bfloat16: where, in which types, and how near to float32."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError, TftrainWarning

X86 = "processor\t: 0\nmodel name\t: Some\nflags\t\t: fpu avx512f {}\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.fixture
def _supported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor has no bfloat16, TensorFlow computes it slowly, but rightly."""
    monkeypatch.setattr("tftrain.nn.has_bfloat16", lambda: True)


def mixed(**settings: object) -> nn.MLP:
    return nn.MLP(5, [8, 8], 2, precision=nn.MIXED, **settings)


def test_hidden_layers_compute_in_bfloat16_and_the_rest_in_float32() -> None:
    network = mixed(activation="tanh")
    value = tf.ones([3, 5])
    seen = []
    for layer in network.layers:
        value = layer(value)
        seen.append(value.dtype.name)
    assert seen == ["bfloat16"] * 4 + ["float32"]
    assert {v.dtype.name for v in network.trainable_variables} == {"float32"}


def test_gradients_are_those_of_the_variables() -> None:
    network = mixed()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(tf.ones([3, 5])))
    assert {g.dtype for g in tape.gradient(loss, network.trainable_variables)} == {tf.float32}


@pytest.mark.usefixtures("needs_bfloat16")
def test_a_layer_rounds_what_it_multiplies() -> None:
    """Against NumPy: operands rounded to bfloat16, summed in float32, the sum rounded."""
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((4, 3), np.float32), rng.standard_normal((3, 6), np.float32)
    layer = nn.Dense(3, 6, compute_dtype="bfloat16", use_bias=False)
    layer.weight.assign(weight)
    narrow = ml_dtypes.bfloat16
    exact = x.astype(narrow).astype(np.float64) @ weight.astype(narrow).astype(np.float64)
    found = layer(x).numpy().astype(np.float64)
    assert (np.abs(found - exact) <= 2.0**-8 * np.abs(exact) + 1e-6).all()
    assert (found != x.astype(np.float64) @ weight).any()


@pytest.mark.usefixtures("_supported")
def test_training_comes_near_to_that_in_float32() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((512, 5))
    y = np.sin(x[:, :2])
    losses = [
        tftrain.fit(nn.MLP(5, [32], 2, precision=precision, seed=1), x, y, epochs=30).losses[-1]
        for precision in ("full", nn.MIXED)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.usefixtures("needs_bfloat16")
@pytest.mark.parametrize("hidden", [[1], [200]])
def test_a_single_unit_is_proven(hidden: list[int]) -> None:
    rng = np.random.default_rng(0)
    network = nn.MLP(5, hidden, 1, activation="tanh", precision=nn.MIXED, seed=1)
    report = tftrain.gradcheck(network, rng.standard_normal((33, 5)), rng.standard_normal((33, 1)))
    assert report.ok, report


@pytest.mark.usefixtures("_supported")
@pytest.mark.parametrize(("width", "mode"), [(600, "graph"), (8, "xla")])
def test_graph_mode_is_chosen_where_products_are_large(width: int, mode: str) -> None:
    x, y = np.ones((64, 5)), np.ones((64, 2))
    network = nn.MLP(5, [width, width], 2, precision=nn.MIXED)
    history = tftrain.fit(network, x, y, epochs=20_000, batch_size=64, time_budget=0.01)
    assert history.mode is not None
    assert history.mode.name == mode
    assert ("bfloat16" in history.mode.reason) == (mode == "graph")


def test_a_processor_without_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tftrain.nn.has_bfloat16", lambda: False)
    with pytest.warns(TftrainWarning, match="this processor has no instructions for"):
        tftrain.fit(mixed(), np.ones((4, 5)), np.ones((4, 2)), epochs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"precision": nn.MIXED, "dtype": "float64"}, "bfloat16 with dtype float32"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nn.MLP(5, [8], 1, **settings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (X86.format("avx512_bf16"), True),
        (X86.format("amx_bf16"), True),
        (X86.format("avx512bw"), False),
        (ARM.format("bf16"), True),
        (ARM.format("asimdhp"), False),
        ("model name\t: bf16\n", False),
    ],
)
def test_processors_say_what_they_can(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert nn.has_bfloat16(tmp_path / "cpuinfo") is found


def test_other_systems_say_nothing(tmp_path: Path) -> None:
    assert not nn.has_bfloat16(tmp_path / "missing")
