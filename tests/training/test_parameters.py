"""Every variable that a network uses is trained, or named, those that are made late included."""

from array import array
from collections import UserList, deque
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain import nn
from tftrain.errors import InputError, TftrainWarning
from tftrain.names import COMPILES
from tftrain.training import Checkpoints
from tftrain.training.holders import held_by

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 1))


class Lazy(tf.Module):
    """Makes its weight, at random, when it is called first."""

    w: tf.Variable | None = None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if self.w is None:
            self.w = tf.Variable(tf.random.stateless_normal([x.shape[1], 4], [1, 2]))
        return x @ self.w


class DataDependent(tf.Module):
    """Takes its first value from the first batch."""

    scale: tf.Variable | None = None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if self.scale is None:
            self.scale = tf.Variable(1 / (1 + tf.reduce_mean(tf.abs(x))))
        return x * self.scale


class Decorated(Lazy):
    __call__ = tf.function(Lazy.__call__, autograph=False)


LATE = [
    lambda: nn.Sequential([Lazy(), nn.Activation("tanh"), nn.Dense(4, 1)]),
    lambda: nn.Sequential([nn.Dense(3, 4), DataDependent(), nn.Dense(4, 1)]),
    lambda: nn.Sequential([Decorated(), nn.Dense(4, 1)]),
]


@pytest.mark.parametrize("mode", COMPILES)
@pytest.mark.parametrize("make", LATE)
def test_variables_that_are_made_at_the_first_call_are_trained(make: Any, mode: str) -> None:
    network = make()
    before = {v.ref(): v.numpy() for v in network.trainable_variables}
    tftrain.fit(network, X, Y, epochs=3, compile=mode)
    assert len(network.trainable_variables) > len(before)
    twin = make()
    twin(tf.constant(X[:1], tf.float32))
    for variable, start in zip(network.trainable_variables, twin.trainable_variables, strict=True):
        assert np.any(variable.numpy() != start.numpy())


@pytest.mark.parametrize("make", LATE)
def test_they_are_checked_and_traced_too(make: Any) -> None:
    report = tftrain.gradcheck(make(), X[:6], Y[:6], modes=["graph"])
    assert report.ok, report
    names = {name for node in tftrain.trace(make(), X, Y).nodes for name in node.parameters}
    assert names >= {"weight", "bias"}
    assert len(names) >= 3


class Plain:
    """A Python object, in which TensorFlow finds no variables."""

    def __init__(self) -> None:
        self.inner = {"weights": [tf.Variable(tf.ones([3, 3]), name="hidden")]}

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.inner["weights"][0]


def by_closure() -> Any:
    weight = tf.Variable(tf.ones([3, 3]), name="hidden")
    return lambda x: x @ weight


@pytest.mark.parametrize(
    ("layer", "place"),
    [
        (Plain(), r"network\.layers\[0\]\.inner\['weights'\]\[0\]"),
        (by_closure(), r"network\.layers\[0\]"),
        (partial(tf.matmul, b=tf.Variable(tf.ones([3, 3]), name="hidden")), r"\.keywords\['b'\]"),
    ],
)
@pytest.mark.parametrize("use", [tftrain.fit, tftrain.gradcheck, tftrain.trace])
def test_a_variable_that_nothing_would_train_is_named(layer: Any, place: str, use: Any) -> None:
    network = nn.Sequential([layer, nn.Dense(3, 1)])
    with pytest.raises(
        InputError, match=rf"hidden:0 of shape \(3, 3\), which is held by .*{place}"
    ):
        use(network, X, Y)


def test_what_is_not_to_be_trained_may_be_anywhere() -> None:
    plain = Plain()
    plain.inner["weights"][0] = tf.Variable(tf.ones([3, 3]), trainable=False)
    tftrain.fit(nn.Sequential([plain, nn.Dense(3, 1)]), X, Y, epochs=1)


def test_building_a_network_changes_no_state() -> None:
    class Counting(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.calls = tf.Variable(tf.ones([3, 1])), tf.Variable(0, trainable=False)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            self.calls.assign_add(1)
            return x @ self.w if x.numpy().size else x  # in eager mode alone

    network = Counting()
    tftrain.fit(network, X, Y, epochs=1, batch_size="full", compile="eager")
    assert int(network.calls) == 1


class Returning(nn.Dense):
    def __init__(self, what: Any) -> None:
        super().__init__(3, 1)
        self.what = what

    def __call__(self, x: tf.Tensor) -> Any:
        return self.what(super().__call__(x))


@pytest.mark.parametrize("use", [tftrain.fit, tftrain.gradcheck, tftrain.trace])
@pytest.mark.parametrize(
    ("what", "returned"),
    [
        (lambda y: (y, y), "a tuple of 2"),
        (lambda y: [y], "a list of 1"),
        (lambda y: {"y": y}, "a dict of 1"),
        (lambda y: None, "None"),
        (tf.RaggedTensor.from_tensor, "a RaggedTensor"),
    ],
)
def test_a_network_returns_one_tensor(what: Any, returned: str, use: Any) -> None:
    with pytest.raises(InputError, match=f"the network returns {returned}: return one tensor"):
        use(Returning(what), X, Y)


@pytest.mark.parametrize("value", [3, True, 1j])
def test_only_floating_point_numbers_are_trained(value: Any) -> None:
    network = nn.Dense(3, 1)
    network.other = tf.Variable(value, name="other")
    with pytest.raises(InputError, match=r"other:0 holds .*: only floating-point numbers are tr"):
        tftrain.fit(network, X, Y)


def test_complex_numbers_stay_inside_a_layer() -> None:
    layers = [nn.Dense(3, 1), lambda h: tf.complex(h, h), tf.abs, nn.Dense(1, 1)]
    with pytest.raises(InputError, match=r"<lambda> gives numbers of complex64 to the next layer"):
        tftrain.gradcheck(nn.Sequential(layers), X, Y)


def test_a_variable_has_a_shape() -> None:
    network = nn.Dense(3, 1)
    network.weight = tf.Variable(np.ones((3, 1), np.float32), shape=[None, 1], name="open")
    with pytest.raises(InputError, match=r"open:0 has the shape \(None, 1\), which is not fixed"):
        tftrain.fit(network, X, Y)


@pytest.mark.parametrize("given", [np.array([[2**24 + 1], [3]]), [[2**24 + 1], [3]]])
def test_whole_numbers_that_are_rounded_are_named(given: Any) -> None:
    with pytest.warns(TftrainWarning, match=r"x\[0, 0\] is 16777217, which float32 can only hold"):
        tftrain.fit(nn.Dense(1, 1), given, [[0.0], [1.0]], epochs=1)
    floats = np.array([[2**24 + 1.0], [3]])
    with pytest.warns(TftrainWarning, match=r"x\[0, 0\] is 16777217"):
        tftrain.trace(nn.Dense(1, 1), [[2**24 + 1.0], [2.0**60]], [[0.0], [1.0]])
    with pytest.warns(TftrainWarning, match=r"x\[0, 0\] is 16777217"):
        tftrain.fit(nn.Dense(1, 1), floats, [[0.0], [1.0]], epochs=1)


@pytest.mark.parametrize("given", [[[2**24], [3]], [[2.0**24 + 1], [0.5]], [[1e30], [3.0]]])
def test_other_numbers_are_rounded_as_ever(given: Any) -> None:
    tftrain.trace(nn.Dense(1, 1), given, [[0.0], [1.0]])
    tftrain.trace(nn.Dense(1, 1, dtype="float64"), [[2**24 + 1], [3]], [[0.0], [1.0]])


def test_a_program_that_xla_cannot_compile_runs_in_graph_mode() -> None:
    class Loop(nn.Dense):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            rounds = tf.reduce_sum(tf.cast(x[:1, :1] > 0, tf.int32)) + 2
            body = lambda i, h: (i + 1, tf.tanh(h * 0.9))  # noqa: E731
            return tf.while_loop(lambda i, h: i < rounds, body, (0, super().__call__(x)))[1]

    class Foreign(nn.Dense):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            foreign = tf.numpy_function(np.cos, [x], tf.float32)
            return super().__call__(tf.reshape(foreign, [-1, 3]))

    for layer in (Loop, Foreign):
        endless: dict[str, Any] = {"epochs": 10**6, "time_budget": 0.5}
        history = tftrain.fit(layer(3, 1), X, Y, **endless)
        assert history.mode is not None
        assert history.mode.name == "graph"
        assert "XLA cannot compile the network: " in history.mode.reason
        with pytest.raises(InputError, match=r"in the mode xla: .*; take another mode"):
            tftrain.fit(layer(3, 1), X, Y, epochs=1, compile="xla")


@pytest.mark.parametrize("mode", COMPILES)
@pytest.mark.parametrize("moment", ["on_epoch", "on_chunk"])
def test_an_observer_may_stop_training(mode: str, moment: str) -> None:
    class Enough(tftrain.Observer):
        def on_epoch(self, record: Any) -> str | None:
            return "enough" if moment == "on_epoch" and record.epoch == 3 else None

        def on_chunk(self, epoch: int, step: int, loss: float) -> str | None:
            return "enough" if moment == "on_chunk" and epoch == 3 else None

    history = tftrain.fit(nn.Dense(3, 1), X, Y, epochs=50, compile=mode, observers=[Enough()])
    assert (history.stop_reason, len(history.epochs)) == ("enough", 3)


@pytest.mark.parametrize("mode", COMPILES)
def test_a_reason_that_is_given_once_is_kept(mode: str) -> None:
    class Once(tftrain.Observer):
        looks_at_network = False

        def on_epoch(self, record: Any) -> str | None:
            return f"epoch {record.epoch}" if record.epoch in (3, 5) else None

    history = tftrain.fit(nn.Dense(3, 1), X, Y, epochs=5000, compile=mode, observers=[Once()])
    assert history.stop_reason == "epoch 3"
    assert len(history.epochs) < 5000


@pytest.mark.parametrize("moment", ["on_epoch", "on_chunk"])
@pytest.mark.parametrize("answer", [True, "", " "])
def test_what_an_observer_returns_is_a_reason(moment: str, answer: Any) -> None:
    odd = tftrain.Observer()
    setattr(odd, moment, lambda *_: answer)
    with pytest.raises(InputError, match="what an observer returns must be a text that says why"):
        tftrain.fit(nn.Dense(3, 1), X, Y, epochs=3, observers=[odd])


class Pair(NamedTuple):
    early: int
    late: int


class Listed(tftrain.optimizers.Schedule):
    """Settings in containers; it holds itself."""

    def __init__(self) -> None:
        super().__init__(0.1)
        self.values, self.array, self.by_name = [1.0, 0.5], np.ones(2), {"a": {"b": 1.0}}
        self.itself = [self]
        self.pair = Pair(3, 4)
        self.held, self.queue, self.kind = SimpleNamespace(most=1.0), deque([1]), "cosine"
        self.shape, self.own, self.more = np.cos, min, [1j]
        self.user, self.packed, self.many = UserList([1]), array("d", [1.0]), [1.0] * 5000
        self.time, self.word = timedelta(1), tf.constant("a")

    least = 0.1

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        return self.values[0] * self.array[0] * tf.ones_like(step)


CHANGES: dict[str, Any] = {
    "a number": lambda schedule: setattr(schedule, "learning_rate", 0.05),
    "in a list": lambda schedule: schedule.values.append(3.0),
    "in an array": lambda schedule: schedule.array.fill(0.5),
    "in a dictionary": lambda schedule: schedule.by_name["a"].update(b=2.0),
    "in an object": lambda schedule: setattr(schedule.held, "most", 2.0),
    "in a deque": lambda schedule: schedule.queue.append(Fraction(1, 3)),
    "in a named tuple": lambda schedule: setattr(schedule, "pair", schedule.pair._replace(late=9)),
    "a text": lambda schedule: setattr(schedule, "kind", "sine"),
    "a method of its own": lambda schedule: setattr(schedule, "factor", tf.ones_like),
    "a setting that is gone": lambda schedule: delattr(schedule, "kind"),
    "a function": lambda schedule: setattr(schedule, "shape", np.sin),
    "another function": lambda schedule: setattr(schedule, "own", max),
    "a complex number": lambda schedule: setattr(schedule, "more", [2j]),
    "in a user's list": lambda schedule: schedule.user.append(2),
    "in an array of Python's": lambda schedule: schedule.packed.append(2.0),
    "among thousands": lambda schedule: schedule.many.__setitem__(777, 0.5),
    "a duration": lambda schedule: setattr(schedule, "time", timedelta(2)),
    "a text tensor": lambda schedule: setattr(schedule, "word", tf.constant("b")),
    "of the class": lambda schedule: setattr(type(schedule), "least", schedule.least / 2),
}


@pytest.mark.parametrize(
    ("name", "mode"),
    [*product(CHANGES, ["graph"]), *(slow("a number", m) for m in ("eager", "xla"))],
)
def test_a_learning_rate_that_changes_in_between_is_refused(name: str, mode: str) -> None:
    optimizer = tftrain.optimizers.SGD(Listed())

    class Slower(tftrain.Observer):
        def on_epoch(self, record: Any) -> None:
            CHANGES[name](optimizer.schedule)

    with pytest.raises(InputError, match=r"has changed the optimizer's schedule\."):
        tftrain.fit(nn.Dense(3, 1), X, Y, optimizer=optimizer, observers=[Slower()], compile=mode)


HARMLESS: dict[str, Any] = {
    "a mark of its own": lambda schedule: setattr(schedule, "seen_by", "an observer"),
    "what it is asked for first": lambda schedule: schedule.half,
    "the same again": lambda schedule: setattr(schedule, "many", [*schedule.many]),
}


class Halving(Listed):
    half = cached_property(lambda self: self.learning_rate / 2)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        self.last = step
        return super().__call__(step)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_changes_no_setting_is_not_refused(change: Any) -> None:
    schedule = Halving()
    schedule.itself = None

    class Touches(tftrain.Observer):
        def on_epoch(self, record: Any) -> None:
            change(schedule)

    optimizer, observers = tftrain.optimizers.SGD(schedule), [Touches()]
    history = tftrain.fit(
        nn.Dense(3, 1), X, Y, optimizer=optimizer, observers=observers, epochs=3, compile="graph"
    )
    assert len(history.epochs) == 3


class Trainer(tftrain.Observer):
    """Keeps the losses, and lends its method to a schedule."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        return tf.ones_like(step)

    def on_epoch(self, record: Any) -> None:
        self.losses.append(record.loss)


def test_an_observer_may_lend_a_method_to_the_schedule() -> None:
    trainer, schedule = Trainer(), tftrain.optimizers.Constant(0.1)
    schedule.factor = trainer.factor
    optimizer = tftrain.optimizers.SGD(schedule)
    tftrain.fit(nn.Dense(3, 1), X, Y, optimizer=optimizer, observers=[trainer], epochs=3)
    assert len(trainer.losses) == 3


def test_an_observer_that_stops_may_change_the_optimizer(tmp_path: Path) -> None:
    network, optimizer = nn.Dense(3, 1), tftrain.optimizers.SGD(Listed())

    class Last(tftrain.Observer):
        def on_epoch(self, record: Any) -> str | None:
            optimizer.schedule.learning_rate /= 2
            return "enough"

    checkpoints = Checkpoints(tmp_path)
    history = tftrain.fit(
        network, X, Y, optimizer=optimizer, observers=[Last()], epochs=9, checkpoints=checkpoints
    )
    assert history.stop_reason == "enough"
    assert len(history.epochs) == 1
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize("mode", COMPILES)
def test_an_optimizer_may_count_by_itself(mode: str) -> None:
    class Counting(tftrain.optimizers.SGD):
        calls = 0

        def apply(self, gradients: Any, parameters: Any) -> None:
            self.calls += 1
            super().apply(gradients, parameters)

    optimizer, quiet = Counting(0.1), tftrain.Observer()
    tftrain.fit(nn.Dense(3, 1), X, Y, optimizer=optimizer, compile=mode, epochs=3)
    tftrain.fit(
        nn.Dense(3, 1), X, Y, optimizer=Counting(0.1), compile=mode, epochs=3, observers=[quiet]
    )


@pytest.mark.parametrize("mode", COMPILES)
def test_validation_of_a_shape_that_only_the_program_knows(mode: str) -> None:
    class Open(nn.Dense):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            y = super().__call__(x)
            return tf.reshape(y, [-1, tf.cast(tf.round(tf.norm(y) * 0 + 1), tf.int32)])

    networks = [nn.Dense(3, 1, seed=0), Open(3, 1, seed=0)]
    modes = ["graph" if mode == "xla" else mode for _ in networks]
    own, other = (
        tftrain.fit(n, X, Y, validation=(X[:9], Y[:9]), epochs=2, compile=m).epochs[-1].validation
        for n, m in zip(networks, modes, strict=True)
    )
    assert own is not None
    assert other is not None
    np.testing.assert_allclose(own.squared, other.squared, rtol=1e-5)


def test_a_second_call_goes_on_with_other_orders() -> None:
    def trained(*calls: dict[str, int]) -> np.ndarray:
        network, optimizer = nn.Dense(3, 1, seed=1), tftrain.optimizers.SGD(0.1)
        for call in calls:
            tftrain.fit(network, X, Y, optimizer=optimizer, batch_size=7, **call)
        return network.weight.numpy()

    whole = trained({"epochs": 5})
    np.testing.assert_array_equal(trained({"epochs": 2}, {"epochs": 3, "first_epoch": 3}), whole)
    assert not np.array_equal(trained({"epochs": 2}, {"epochs": 3}), whole)


def test_a_resumed_training_warns_of_random_numbers_that_do_not_repeat(
    tmp_path: Any,
) -> None:
    class Noisy(nn.Dense):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return super().__call__(x + tf.random.normal(tf.shape(x)))

    tftrain.fit(Noisy(3, 1), X, Y, epochs=1, checkpoints=Checkpoints(tmp_path))
    with pytest.warns(TftrainWarning, match=r"tf\.random \(RandomStandardNormal\).*Generator"):
        tftrain.fit(Noisy(3, 1), X, Y, epochs=2, checkpoints=Checkpoints(tmp_path))


def test_validation_beside_labels_has_a_loss_and_no_errors() -> None:
    class CrossEntropy(tftrain.losses.Loss):
        def __call__(self, prediction: Any, target: Any, weight: Any = None) -> tf.Tensor:
            labels = tf.cast(target[:, 0], tf.int32)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, prediction)
            return tf.reduce_mean(each)

    labels = RNG.integers(0, 3, (40, 1))
    history = tftrain.fit(
        nn.Dense(3, 3), X, labels, loss=CrossEntropy(), epochs=2, validation=(X, labels)
    )
    assert history.epochs[-1].validation is None
    assert np.isfinite(history.epochs[-1].validation_loss)


class Hostile:
    """An object whose every answer is an error."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x)


class Unasked:
    """Answers nothing, not even what it is."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __hash__(self) -> int:
        return 7


class Wordless(float):
    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __repr__


@pytest.mark.parametrize(
    "held",
    [
        [Unasked()],
        {Unasked(), Unasked()},
        {Unasked(): tf.Variable(1.0, trainable=False)},
        Wordless(3.0),
        Decimal("sNaN"),
        [10**5000, *range(200)],
        10**5000,
    ],
    ids=["an object", "a set", "a key", "a number", "no number", "a list", "a large number"],
)
def test_settings_that_answer_with_errors_are_left_alone(held: Any, tmp_path: Path) -> None:
    schedule, network = tftrain.optimizers.Constant(0.1), nn.Sequential([Hostile(), nn.Dense(3, 1)])
    schedule.held = network.layers[0].held = held
    optimizer = tftrain.optimizers.SGD(schedule)
    report = tftrain.gradcheck(network, X, Y, optimizer=optimizer, modes=["graph"])
    assert report.ok
    options = {"checkpoints": Checkpoints(tmp_path), "observers": [tftrain.Observer()]}
    tftrain.fit(network, X, Y, optimizer=optimizer, epochs=2, compile="graph", **options)


class HostileMapping(Hostile, Mapping):
    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError("no elements")

    def __iter__(self) -> Any:
        raise RuntimeError("no keys")

    def __len__(self) -> int:
        return 7


def test_objects_that_answer_with_errors_are_left_alone() -> None:
    network = nn.Sequential([Lazy(), Hostile(), nn.Dense(4, 1)])
    network.layers[0].held = SimpleNamespace(hostile=HostileMapping())
    tftrain.fit(network, X, Y, epochs=2)
    report = tftrain.gradcheck(network, X, Y, modes=["graph"])
    assert report.ok
    assert "2 Hostile" in {check.node for check in report.checks}


def test_many_objects_hide_no_variable() -> None:
    network, deep = Lazy(), SimpleNamespace(w=tf.Variable(1.0))
    table = [SimpleNamespace(value=i) for i in range(150_000)]
    network.held = SimpleNamespace(table=table, last=SimpleNamespace(deep=deep))
    places = [place for place, _ in held_by(network, "network")]
    assert places == ["network.held.last.deep.w"]
