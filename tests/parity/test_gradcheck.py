"""The door of parity: what the report says, what is left alone, what is only evidence."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import losses, nn, optimizers, reference
from tftrain.errors import InputError
from tftrain.names import MODES
from tftrain.parity import Report
from tftrain.parity.check import Check
from tftrain.reference.layers import REFERENCES

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))


def network(dtype: str = "float64") -> nn.MLP:
    return nn.MLP(3, [4, 4], 2, activation=["tanh", "relu"], dtype=dtype, seed=1)


class Scale(tf.Module):
    """A layer of the user's own; `factor` is the fault in its gradient."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.gain = tf.Variable([1.5, -0.5, 2.0], dtype=tf.float64)
        self.factor = factor

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def scaled(x: tf.Tensor, gain: tf.Tensor) -> tuple[tf.Tensor, object]:
            def backward(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                return dy * gain, self.factor * tf.reduce_sum(dy * x, axis=0)

            return x * gain, backward

        return scaled(x, self.gain.read_value())


class Squares(tf.Module):
    """No `Sequential`: a network that the reference cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = [
            tf.Variable(RNG.standard_normal((3, 2))),
            tf.Variable(tf.zeros([2], "float64")),
        ]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.square(x) @ self.weights[0] + tf.sin(self.weights[1] + x[:, :2])


@pytest.fixture
def known_scale() -> Iterator[None]:
    @reference.register(Scale)
    @dataclass
    class ScaleReference(reference.Layer):
        gain: np.ndarray

        def forward(self, x):
            return x * self.gain

        def backward(self, x, y, dy):
            return dy * self.gain, {"gain": (dy * x).sum(axis=0)}

    yield
    del REFERENCES[Scale]


def test_report_of_a_right_network() -> None:
    report = tftrain.gradcheck(network(), X, Y, optimizer="adam")
    assert report.ok
    assert report.certified
    assert report.failures == []
    assert 0 < report.worst.ratio <= 1
    text = str(report)
    assert "error / bound" in text
    assert "2 tanh" in text
    assert text.splitlines()[-1].startswith("proven: ")
    names = {(check.node, check.quantity) for check in report.checks}
    assert {("1 Dense", "weight"), ("4 relu", "dx"), ("loss", "delta"), ("loss", "value")} <= names
    assert {("1 Dense", "updated bias"), ("5 Dense", "mean_square of weight")} <= names
    assert {("2 tanh", "complex step"), ("1 Dense", "y arrives"), ("4 relu", "dy arrives")} <= names


def test_json_holds_every_check() -> None:
    report = tftrain.gradcheck(network(), X, Y, modes=["graph"])
    plain = json.loads(report.to_json_text())
    assert plain == report.to_json()
    assert plain["ok"] is True
    assert len(plain["checks"]) == len(report.checks)
    assert {"node", "quantity", "error", "bound", "ratio", "ok", "mode", "dtype"} <= set(
        plain["checks"][0]
    )


def test_network_and_optimizer_are_left_as_they_were() -> None:
    net, optimizer = network(), optimizers.Adam(0.1)
    tftrain.fit(net, X, Y, optimizer=optimizer, epochs=2)
    state = [*net.trainable_variables, *(s for own in optimizer.slots for s in own.values())]
    before = [variable.numpy() for variable in state]
    tftrain.gradcheck(net, X, Y, optimizer=optimizer, modes=["graph"])
    for variable, value in zip(state, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert int(optimizer.step) == 2


def test_a_fault_fails_with_node_element_both_values_and_bound(known_scale: None) -> None:
    net = nn.Sequential([Scale(1 + 1e-11), nn.Dense(3, 2, dtype="float64")])
    report = tftrain.gradcheck(net, X, Y)
    assert not report.ok
    assert {check.where for check in report.failures} == {
        "1 Scale: gain",
        "1 Scale: gain as trained",
    }
    first = [check for check in report.failures if check.where == "1 Scale: gain"]
    worst = first[0]  # at the weights that the network has; those after it, where they have moved
    right = (
        2 / Y.size * (net(tf.constant(X)) - Y).numpy() @ net.layers[1].weight.numpy().T * X
    ).sum(0)
    assert worst.expected == pytest.approx(right[worst.place[0]])
    assert worst.error == pytest.approx(abs(worst.expected) * 1e-11, rel=1e-3)
    text = str(report)
    assert "WRONG" in text
    assert f"{max(first, key=lambda check: check.ratio).actual:.17g}" in text


def test_a_registered_layer_is_proven(known_scale: None) -> None:
    report = tftrain.gradcheck(nn.Sequential([nn.Activation("tanh"), Scale()]), X, X)
    assert report.ok
    assert report.certified
    heirs = type("Heir", (Scale,), {})
    assert tftrain.gradcheck(nn.Sequential([heirs()]), X, X, modes=["graph"]).certified


def test_an_unknown_layer_is_checked_by_evidence_and_its_neighbours_are_proven() -> None:
    net = nn.Sequential([nn.Dense(3, 3, dtype="float64"), Scale(), nn.Dense(3, 2, dtype="float64")])
    report = tftrain.gradcheck(net, X, Y)
    assert report.ok
    assert not report.certified
    kinds = {(check.node, check.quantity): check.kind for check in report.checks}
    assert kinds["1 Dense", "weight"] == kinds["3 Dense", "dx"] == "certificate"
    assert kinds["2 Scale", "forward mode"] == "evidence"
    assert ("2 Scale", "dx") not in kinds
    assert "evidence and no certificate" in str(report)
    assert "no fault found" in report.verdict


def test_evidence_finds_a_wrong_gradient() -> None:
    report = tftrain.gradcheck(nn.Sequential([Scale(1 + 1e-6)]), X, X)
    assert not report.ok
    assert {check.node for check in report.failures} == {"1 Scale"}
    assert {check.quantity for check in report.failures} == {"forward mode", "central differences"}


@pytest.mark.parametrize("mode", MODES)
def test_any_module_with_variables(mode: str) -> None:
    report = tftrain.gradcheck(Squares(), X, Y, modes=[mode], optimizer="sgd")
    assert report.ok, report
    assert not report.certified
    assert {check.node for check in report.checks} == {"1 Squares", "loss", "optimizer"}


def test_evidence_in_float32_is_weaker_but_no_false_alarm() -> None:
    class Single(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(RNG.standard_normal((3, 2)).astype(np.float32))

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return tf.tanh(x @ self.weight)

    assert tftrain.gradcheck(Single(), X, Y).ok


def test_a_layer_used_twice_gets_the_sum_of_both_gradients() -> None:
    shared = nn.Dense(3, 3, dtype="float64", seed=4)
    net = nn.Sequential([shared, nn.Activation("tanh"), shared, nn.Dense(3, 2, dtype="float64")])
    report = tftrain.gradcheck(net, X, Y, optimizer="sgd", l2=0.1)
    assert report.ok, report
    assert report.certified


def test_a_sequential_that_overrides_its_call_is_one_node_with_its_parents_reference() -> None:
    class Faithful(nn.Sequential):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return super().__call__(x)

    class Doubled(nn.Sequential):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return 2 * super().__call__(x)

    layers = [nn.Dense(3, 2, dtype="float64"), nn.Activation("tanh")]
    assert tftrain.gradcheck(Faithful(layers), X, Y, modes=["graph"]).certified
    wrong = tftrain.gradcheck(Doubled(layers), X, Y, modes=["graph"])
    assert wrong.failures[0].where == "1 Doubled: y"


def test_a_detached_parameter_is_found() -> None:
    class Detached(nn.Dense):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return tf.matmul(x, self.weight) + tf.stop_gradient(self.bias)

    net = nn.Sequential([Detached(3, 2, dtype="float64"), nn.Activation("tanh")])
    report = tftrain.gradcheck(net, X, Y, optimizer="sgd", modes=["graph"])
    assert report.failures[0].where == "1 Detached: bias"


def test_overflow_is_told_and_no_false_alarm() -> None:
    big = np.full((6, 3), 1e30)
    net = nn.Sequential([nn.Dense(3, 2, initializer=lambda rng, shape: 1e20 * np.ones(shape))])
    report = tftrain.gradcheck(net, big, Y)
    assert report.ok, report


def test_optimizer_updates_are_checked_from_where_it_stands() -> None:
    net, optimizer = network(), optimizers.SGD(0.1, momentum=0.9)
    tftrain.fit(net, X, Y, optimizer=optimizer, epochs=3)
    assert tftrain.gradcheck(net, X, Y, optimizer=optimizer, modes=["graph"]).ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modes": ["grph"]}, "unknown mode 'grph', did you mean graph"),
        ({"loss": "mean"}, "unknown loss"),
        ({"weight": np.ones(3)}, "one weight per row"),
        ({"y": Y[:3]}, "the same number of rows"),
        ({"y": Y[:, :1]}, "targets have shape"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    given = {"x": X, "y": Y, **arguments}
    with pytest.raises(InputError, match=message):
        tftrain.gradcheck(network(), given.pop("x"), given.pop("y"), **given)


def test_a_reference_that_names_other_parameters_is_refused() -> None:
    @reference.register(Scale)
    @dataclass
    class Misnamed(reference.Layer):
        gain: np.ndarray

        def forward(self, x):
            return x * self.gain

        def backward(self, x, y, dy):
            return dy * self.gain, {"scale": (dy * x).sum(axis=0)}

    try:
        with pytest.raises(InputError, match=r"1 Scale: .*\['scale'\].*\['gain'\]"):
            tftrain.gradcheck(nn.Sequential([Scale()]), X, X)
    finally:
        del REFERENCES[Scale]


def test_a_wrong_reference_is_told_from_a_wrong_layer() -> None:
    """Where both derivations agree and are wrong, the complex step still finds it."""

    @reference.register(Scale)
    @dataclass
    class Wrong(reference.Layer):
        gain: np.ndarray

        def forward(self, x):
            return x * self.gain

        def backward(self, x, y, dy):
            return dy * self.gain, {"gain": 2 * (dy * x).sum(axis=0)}

    try:
        report = tftrain.gradcheck(nn.Sequential([Scale(2.0)]), X, X, modes=["graph"])
        assert {check.where for check in report.failures} == {"1 Scale: complex step"}
    finally:
        del REFERENCES[Scale]


class Slope(tf.Module):
    """A stranger: `x * slope`; `detached` cuts the slope off, but only in compiled programs."""

    def __init__(self, slope: tf.Variable, detached: bool = False) -> None:
        super().__init__()
        self.slope = slope
        self.detached = detached

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        cut = self.detached and tf.inside_function()
        return x * (tf.stop_gradient(self.slope) if cut else self.slope)


def test_evidence_is_of_the_gradient_that_is_trained() -> None:
    layer = Slope(tf.Variable([1.0, 2.0, 3.0], dtype=tf.float64), detached=True)
    net = nn.Sequential([nn.Dense(3, 3, dtype="float64"), layer, nn.Dense(3, 2, dtype="float64")])
    assert tftrain.gradcheck(net, X, Y, modes=["eager"]).ok
    assert {c.node for c in tftrain.gradcheck(net, X, Y, modes=["graph"]).failures} == {"2 Slope"}


def test_a_variable_shared_with_a_stranger_is_no_false_alarm() -> None:
    dense = nn.Dense(3, 3, dtype="float64", seed=2, bias_initializer="normal")
    net = nn.Sequential([dense, Slope(dense.bias), nn.Dense(3, 2, dtype="float64")])
    report = tftrain.gradcheck(net, X, Y, l2=0.1)
    assert report.ok, report
    assert not report.certified


def test_an_optimizer_that_forgets_to_count_is_found() -> None:
    class Forgetful(optimizers.Adam):
        def apply(self, gradients, parameters) -> None:
            super().apply(gradients, parameters)
            self.step.assign_sub(1)

    report = tftrain.gradcheck(network(), X, Y, optimizer=Forgetful(0.1), modes=["graph"])
    assert report.failures[0].where == "optimizer: updates counted"


def test_a_variable_in_no_layer_is_refused() -> None:
    class Extra(nn.Sequential):
        def __init__(self) -> None:
            super().__init__([nn.Dense(3, 2, dtype="float64")])
            self.extra = tf.Variable(tf.ones([2], tf.float64))

    with pytest.raises(InputError, match="does not depend on the variable"):
        tftrain.gradcheck(Extra(), X, Y)
    net = Extra()
    net.layers.append(lambda x: x + net.extra)
    with pytest.raises(InputError, match="belongs to no layer"):
        tftrain.gradcheck(net, X, Y)


def test_scalar_parameters_are_parameters_of_the_reference() -> None:
    class Gain(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = tf.Variable(1.5, dtype=tf.float64)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            @tf.custom_gradient
            def doubled(x, gain):
                return x * gain, lambda dy: (dy * gain, 2 * tf.reduce_sum(dy * x))

            return doubled(x, self.gain.read_value())

    @reference.register(Gain)
    @dataclass
    class GainReference(reference.Layer):
        gain: np.ndarray

        def forward(self, x):
            return x * self.gain

        def backward(self, x, y, dy):
            return dy * self.gain, {"gain": 2 * (dy * x).sum()}

    try:
        report = tftrain.gradcheck(nn.Sequential([Gain()]), X, X, modes=["graph"])
        assert {check.where for check in report.failures} == {"1 Gain: complex step"}
    finally:
        del REFERENCES[Gain]


def differences_of(report: Report, node: str) -> list[Check]:
    """Return the checks of a reference by differences of real numbers."""
    return [
        c
        for c in report.checks
        if (c.mode, c.node, c.quantity) == ("numpy", node, "central differences")
    ]


def test_a_reference_without_complex_numbers_is_checked_with_real_ones() -> None:
    @reference.register(Scale)
    @dataclass
    class RealOnly(reference.Layer):
        gain: np.ndarray

        def forward(self, x):
            if np.iscomplexobj(getattr(x, "value", x)):
                raise TypeError("real numbers only")
            return x * self.gain

        def backward(self, x, y, dy):
            return dy * self.gain, {"gain": (dy * x).sum(axis=0)}

    try:
        report = tftrain.gradcheck(nn.Sequential([Scale()]), X, X, modes=["graph"])
        assert report.certified
        assert report.ok
        assert len(differences_of(report, "1 Scale")) == 1
        RealOnly.backward = lambda self, x, y, dy: (dy * self.gain, {"gain": (dy * y).sum(axis=0)})
        report = tftrain.gradcheck(nn.Sequential([Scale()]), X, X, modes=["graph"])
        assert not differences_of(report, "1 Scale")[0].ok
    finally:
        del REFERENCES[Scale]


def test_a_frozen_variable_needs_no_gradient() -> None:
    dense = nn.Dense(3, 3, dtype="float64", seed=3)
    dense.weight = tf.Variable(dense.weight, trainable=False)
    net = nn.Sequential([dense, nn.Dense(3, 2, dtype="float64")])
    assert tftrain.gradcheck(net, X, Y, modes=["graph"]).ok


def test_a_network_may_say_itself_what_is_trained() -> None:
    class LastOnly(nn.MLP):
        @property
        def trainable_variables(self):
            return self.layers[-1].trainable_variables

    report = tftrain.gradcheck(LastOnly(3, [4], 2, dtype="float64"), X, Y, modes=["graph"])
    assert report.ok, report


def test_gradients_that_are_all_zero_are_told() -> None:
    net = nn.Sequential([nn.Dense(3, 2, initializer="zeros", dtype="float64")])
    report = tftrain.gradcheck(net, X, np.zeros_like(Y), modes=["graph"])
    assert report.ok
    assert "Every gradient is zero on this batch" in str(report)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modes": []}, "modes names none of"),
        ({"modes": "graph"}, "modes must be a list"),
        ({"l2": -1.0}, "l2 must be at least 0"),
        ({"network": "abc"}, "network must be a tf.Module"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments: dict, message: str) -> None:
    given = {"network": network(), "x": X, "y": Y, **arguments}
    with pytest.raises(InputError, match=message):
        tftrain.gradcheck(**given)


def test_other_precisions_are_refused() -> None:
    class Half(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(tf.ones([3, 2], tf.float16))

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x @ self.weight

    with pytest.raises(InputError, match="not in float16"):
        tftrain.gradcheck(Half(), X, Y)


def test_a_twin_is_a_layer() -> None:
    with pytest.raises(InputError, match=r"must be a subclass of tftrain\.reference\.Layer"):
        reference.register(Scale)(int)


class StaleWeight(nn.Dense):
    """Its backward pass multiplies by the weights that it was made with."""

    def __init__(self) -> None:
        super().__init__(3, 3, dtype="float64")
        self.transposed = tf.constant(self.weight.numpy().T)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def affine(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, object]:
            def backward(dy: tf.Tensor) -> tuple[tf.Tensor, ...]:
                gradient = tf.matmul(x, dy, transpose_a=True)
                return dy @ self.transposed, gradient, tf.reduce_sum(dy, axis=0)

            return x @ weight + bias, backward

        assert self.bias is not None
        return affine(x, self.weight.read_value(), self.bias.read_value())


def test_weights_of_yesterday_in_the_backward_pass_are_caught() -> None:
    report = tftrain.gradcheck(
        nn.Sequential([StaleWeight(), nn.Dense(3, 2, dtype="float64")]), X, Y
    )
    assert {check.where for check in report.failures} == {"1 StaleWeight: dx"}
    assert "has no reference of its own" in report.verdict


class NeverDecays(optimizers.StepDecay):
    def factor(self, step: tf.Tensor) -> tf.Tensor:
        return tf.ones_like(step)


def test_schedules_are_checked_where_they_change() -> None:
    for schedule in (NeverDecays(0.1, every=12), optimizers.Warmup(NeverDecays(0.1, 12), 30)):
        report = tftrain.gradcheck(network(), X, Y, optimizer=optimizers.SGD(schedule))
        assert any("updated weight" in check.quantity for check in report.failures)


def test_the_step_that_trains_is_the_step_that_is_checked(monkeypatch) -> None:
    apply = optimizers.SGD.apply

    def doubled(self, gradients, parameters) -> None:
        apply(self, [2 * gradient for gradient in gradients], parameters)

    monkeypatch.setattr(optimizers.SGD, "apply", doubled)
    report = tftrain.gradcheck(network(), X, Y, optimizer="sgd", modes=["graph"])
    assert "1 Dense: updated weight" in {check.where for check in report.failures}


class FewSlots(optimizers.Adam):
    slot_names = ("mean",)

    def update(self, gradient, parameter, slots, learning_rate, step):
        mean = 0.9 * slots["mean"] + 0.1 * gradient
        return -learning_rate * mean, {"mean": mean}


class MoreSlots(optimizers.SGD):
    slot_names = ("sevenfold",)

    def __init__(self) -> None:
        super().__init__(0.1)
        self.slot_names = MoreSlots.slot_names

    def update(self, gradient, parameter, slots, learning_rate, step):
        return -learning_rate * gradient, {"sevenfold": 7 * gradient}


@pytest.mark.parametrize("kind", [FewSlots, MoreSlots])
def test_slots_that_only_one_side_keeps_are_named(kind) -> None:
    report = tftrain.gradcheck(network(), X, Y, optimizer=kind(), modes=["eager"])
    assert next(check.where for check in report.failures) == "optimizer: slots"
    assert "register one of its own" in report.verdict


class Composite(tf.Module):
    """Three layers that are no row: a module of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Dense(3, 3, dtype="float64") for _ in range(3))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.first(x) + self.second(x) * self.third(x)


def test_every_variable_of_a_composite_module_is_found() -> None:
    composite = Composite()
    names = {f"{layer}.{of}" for layer in ("first", "second", "third") for of in ("weight", "bias")}
    assert set(nn.named_variables(composite)) == names
    report = tftrain.gradcheck(nn.Sequential([composite, nn.Dense(3, 2, dtype="float64")]), X, Y)
    assert report.ok
    nested = nn.Sequential([nn.MLP(3, [4], 3), nn.Activation("tanh"), nn.MLP(3, [4], 2)])
    assert len(nn.named_variables(nested)) == len(nested.trainable_variables) == 8


@dataclass
class AbsReference(reference.Layer):
    """Not analytic, and with an array that is no parameter."""

    mask: np.ndarray

    def forward(self, x):
        return np.abs(x) * self.mask

    def backward(self, x, y, dy):
        return dy * np.sign(x) * self.mask, {}


def test_a_reference_that_is_not_analytic_or_has_constants_is_no_false_alarm() -> None:
    class Abs(tf.Module):
        mask = np.array([1.0, 0.0, -2.0])

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return tf.abs(x) * self.mask

    reference.register(Abs)(AbsReference)
    try:
        report = tftrain.gradcheck(nn.Sequential([Abs(), nn.Dense(3, 2, dtype="float64")]), X, Y)
    finally:
        del REFERENCES[Abs]
    assert report.ok
    assert len(differences_of(report, "1 Abs")) == 1


def test_a_reference_that_cannot_follow_rounding_says_so() -> None:
    class Peak(tf.Module):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return tf.reduce_max(x, axis=1, keepdims=True) * tf.ones_like(x)

    @reference.register(Peak)
    @dataclass
    class PeakReference(reference.Layer):
        def forward(self, x):
            return x.argsort(axis=1) * np.ones(x.shape)

        def backward(self, x, y, dy):
            return dy, {}

    try:
        with pytest.raises(InputError, match="1 Peak: its reference PeakReference cannot"):
            tftrain.gradcheck(nn.Sequential([Peak(), nn.Dense(3, 2, dtype="float64")]), X, Y)
    finally:
        del REFERENCES[Peak]


@pytest.mark.parametrize("scale", [1e-320, 1e160])
def test_what_proves_little_is_noted(scale: float) -> None:
    report = tftrain.gradcheck(nn.Dense(3, 2, dtype="float64"), scale * X, scale * Y)
    assert report.ok
    assert any("little was put to the test" in note for note in report.notes)


def test_a_layer_that_draws_at_random_is_refused() -> None:
    class Drop(tf.Module):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x * tf.cast(tf.random.uniform(tf.shape(x)) < 0.5, x.dtype)

    with pytest.raises(InputError, match="1 Drop gives other outputs at each call"):
        tftrain.gradcheck(nn.Sequential([Drop(), nn.Dense(3, 2, dtype="float64")]), X, Y)


def test_a_module_without_call_is_refused() -> None:
    class Silent(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = tf.Variable(1.0)

    for door in (tftrain.gradcheck, tftrain.trace):
        with pytest.raises(InputError, match="no __call__"):
            door(Silent(), X, Y)


class Gated(tf.Module):
    """`relu(gain x)`.

    Its gradients are off by a factor; where the product is zero they are those of `at_zero`.
    """

    def __init__(self, factor: float = 1.0, at_zero: float = 0.0) -> None:
        super().__init__()
        self.gain = tf.Variable([1.5, 2.0, 0.5], dtype=tf.float64)
        self.factor, self.at_zero = factor, at_zero

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def gated(x: tf.Tensor, gain: tf.Tensor) -> Any:
            def backward(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                slope = self.factor * tf.cast(x * gain > 0, x.dtype)
                delta = dy * tf.where(x * gain == 0, self.at_zero, slope)
                return delta * gain, tf.reduce_sum(delta * x, axis=0)

            return tf.nn.relu(x * gain), backward

        return gated(x, self.gain.read_value())


@dataclass
class GatedReference(reference.Layer):
    """Wrong in the same way."""

    gain: np.ndarray
    factor: float
    at_zero: float

    def forward(self, x):
        return np.maximum(x * self.gain, 0.0)

    def backward(self, x, y, dy):
        z = x * self.gain
        delta = dy * (self.factor * (z > 0) + self.at_zero * (z == 0))
        return delta * self.gain, {"gain": (delta * x).sum(axis=0)}


def report_with(twin: type, layer: Any, x: np.ndarray, y: np.ndarray, loss: Any = "mse") -> Any:
    """Return the report where this is the reference of the layer, or of the loss."""
    original = type(layer if issubclass(twin, reference.Layer) else loss)
    reference.register(original)(twin)
    try:
        return tftrain.gradcheck(layer, x, y, loss=loss, modes=["eager"])
    finally:
        del REFERENCES[original]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("factor", [1.0, 1.001, 1.1, 2.0])
def test_kinks_hide_no_wrong_reference(share: float, factor: float) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 32, 3))
    x[rng.random(x.shape) < share] = 0
    report = report_with(GatedReference, Gated(factor), x, y)
    assert report.ok == report.certified == (factor == 1)


@pytest.mark.parametrize("rows", [1, 32, 500])
@pytest.mark.parametrize("at_zero", [-3.0, -0.1, 0.0, 0.5, 1.0, 1.1, 5.0, 20.0])
def test_a_reference_that_is_wrong_on_kinks_alone_is_not_certified(
    at_zero: float, rows: int
) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, rows, 3))
    x[rng.random(x.shape) < 0.5] = 0
    x[0, 0] = 0
    assert report_with(GatedReference, Gated(1.0, at_zero), x, y).certified == (0 <= at_zero <= 1)


class Folded(tf.Module):
    """`gain |x|`; the derivative of the size is `factor sign(x)`, and `at_zero` where x is zero."""

    def __init__(self, factor: float, at_zero: float) -> None:
        super().__init__()
        self.gain = tf.Variable([1.5, 2.0, 0.5], dtype=tf.float64)
        self.factor, self.at_zero = factor, at_zero

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def folded(x: tf.Tensor, gain: tf.Tensor) -> Any:
            slope = tf.where(x == 0, self.at_zero, self.factor * tf.sign(x))
            return tf.abs(x) * gain, lambda dy: (dy * gain * slope, tf.reduce_sum(dy * abs(x), 0))

        return folded(x, self.gain.read_value())


@dataclass
class FoldedReference(reference.Layer):
    """The same. On numbers that carry errors, the sign at zero is anything from -1 to 1."""

    gain: np.ndarray
    factor: float
    at_zero: float

    def forward(self, x):
        return np.maximum(x, -x) * self.gain

    def backward(self, x, y, dy):
        slope = self.factor * np.sign(x) + self.at_zero * (x == 0)
        return dy * self.gain * slope, {"gain": (dy * np.maximum(x, -x)).sum(axis=0)}


class Curved(tf.Module):
    """`gain (relu(x) + x^2)`, with a derivative of relu at zero."""

    def __init__(self, at_zero: float) -> None:
        super().__init__()
        self.gain = tf.Variable([1.5, 2.0, 0.5], dtype=tf.float64)
        self.at_zero = at_zero

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def curved(x: tf.Tensor, gain: tf.Tensor) -> Any:
            slope = 2 * x + tf.where(x == 0, self.at_zero, tf.cast(x > 0, x.dtype))
            y = tf.nn.relu(x) + x * x
            return y * gain, lambda dy: (dy * gain * slope, tf.reduce_sum(dy * y, 0))

        return curved(x, self.gain.read_value())


@dataclass
class CurvedReference(reference.Layer):
    """The same."""

    gain: np.ndarray
    at_zero: float

    def forward(self, x):
        return (np.maximum(x, 0) + x * x) * self.gain

    def backward(self, x, y, dy):
        slope = 2 * x + 1.0 * (x > 0) + self.at_zero * (x == 0)
        return dy * self.gain * slope, {"gain": (dy * (np.maximum(x, 0) + x * x)).sum(axis=0)}


@pytest.mark.parametrize("at_zero", [-2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 3.0])
def test_a_few_kinks_are_found_among_many_curved_outputs(at_zero: float) -> None:
    x, y = np.random.default_rng(3).standard_normal((2, 400, 3))
    x[:3, 1] = 0
    report = report_with(CurvedReference, Curved(at_zero), x, y)
    assert report.certified == (0 <= at_zero <= 1)


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.parametrize(
    ("factor", "at_zero"), [(1, 0), (1, -1), (1, 1), (1, 2), (1, -4), (1.001, 0), (1.001, 1)]
)
def test_a_bound_that_is_loose_on_kinks_proves_nothing(
    factor: float, at_zero: float, rows: int
) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, rows, 3))
    x[rng.random(x.shape) < 0.4] = 0
    x[0, 0] = 0
    report = report_with(FoldedReference, Folded(factor, at_zero), x, y)
    assert report.certified == (factor == 1 and -1 <= at_zero <= 1)
    assert report.ok == (factor == 1)


class Lopsided(losses.Elementwise):
    """`max(e, -e / 2)` of each error, with a slope of `at_zero` at zero."""

    def __init__(self, at_zero: float) -> None:
        self.at_zero = at_zero

    def term(self, error: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def term(e: tf.Tensor) -> Any:
            slope = tf.where(e > 0, tf.ones_like(e), -0.5 * tf.ones_like(e))
            return tf.maximum(e, -e / 2), lambda dy: dy * tf.where(e == 0, self.at_zero, slope)

        return term(error)


@dataclass
class LopsidedReference(reference.Elementwise):
    at_zero: float

    def term(self, error):
        return np.maximum(error, -error / 2)

    def slope(self, error):
        return 1.0 * (error > 0) - 0.5 * (error < 0) + self.at_zero * (error == 0)


@pytest.mark.parametrize("at_zero", [-2.0, -0.6, -0.5, 0.0, 1.0, 1.1, 5.0])
def test_a_loss_that_is_wrong_on_kinks_alone_is_not_certified(at_zero: float) -> None:
    x = np.arange(96.0).reshape(32, 3)
    layer = nn.Dense(3, 2, dtype="float64", seed=0)
    layer.weight.assign([[1, 2], [3, -1], [0, 1]])  # so that no rounding leads off the kinks
    target = layer(tf.constant(x)).numpy()
    target[::4] += 1
    report = report_with(LopsidedReference, layer, x, target, Lopsided(at_zero))
    assert report.certified == (-0.5 <= at_zero <= 1)


class Rows(tf.Module):
    """Rows of a table, by their numbers held as floats, and a kink."""

    def __init__(self) -> None:
        super().__init__()
        table = np.random.default_rng(0).standard_normal((20, 3))
        table[18] = 0
        self.table = tf.Variable(table)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.gather(self.table, tf.cast(tf.round(x[:, 0]), tf.int32)))


@dataclass
class RowsReference(reference.Layer):
    table: np.ndarray

    def forward(self, x):
        return np.maximum(self.table[np.rint(np.asarray(x_of(x))).astype(int)], 0)

    def backward(self, x, y, dy):
        rows = np.rint(np.asarray(x_of(x))).astype(int)
        chosen = np.eye(20)[rows]
        return 0 * x, {"table": np.einsum("rt,rk->tk", chosen, dy * (self.table[rows] > 0))}


def x_of(x: Any) -> np.ndarray:
    """Return the first column of inputs as plain real numbers."""
    return np.real(getattr(x, "value", x)[:, 0]).astype(np.float64)


def test_a_reference_need_not_be_defined_nearby() -> None:
    reference.register(Rows)(RowsReference)
    x, y = np.array([[19.0], [18], [3], [1]]), np.ones((4, 3))
    try:
        report = tftrain.gradcheck(Rows(), x, y, modes=["eager"])
    finally:
        del REFERENCES[Rows]
    assert report.ok, report.verdict
