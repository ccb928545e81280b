"""State besides the parameters, wherever it is kept: found, left alone by checks, restored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError
from tftrain.names import COMPILES
from tftrain.training import Checkpoints

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 1))


class Statistics:
    """A plain Python object with a moving mean, and a counter that nothing reads."""

    def __init__(self) -> None:
        self.mean = tf.Variable(tf.zeros(3), trainable=False)
        self.calls = tf.Variable(0, trainable=False)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.calls.assign_add(1)
        mean = tf.reduce_mean(x, 0)
        self.mean.assign(0.9 * self.mean + 0.1 * mean)
        return x - mean


class WithState(tf.Module):
    """A layer around state that TensorFlow does not find."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(tf.ones([3, 1]))
        self.held = {1: Statistics()}

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.held[1](x) @ self.w

    def state(self) -> list[np.ndarray]:
        return [self.held[1].mean.numpy(), self.held[1].calls.numpy()]


class Norm(tf.Module):
    """Keeps a moving mean where TensorFlow finds it."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.gain = tf.Variable(tf.ones(units))
        self.mean = tf.Variable(tf.zeros(units), trainable=False)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(x, 0)
        self.mean.assign(0.9 * self.mean + 0.1 * mean)
        return self.gain * (x - mean)


class WithNorm(nn.Sequential):
    """Layers, one of which keeps state."""

    def __init__(self) -> None:
        super().__init__([nn.Dense(3, 8, seed=0), Norm(8), nn.Dense(8, 1, seed=1)])

    def state(self) -> list[np.ndarray]:
        return [self.layers[1].mean.numpy()]


class Counting(tftrain.optimizers.SGD):
    """Has a variable of its own."""

    def __init__(self) -> None:
        super().__init__(0.1)
        self.seen = tf.Variable(0.0, trainable=False)

    def apply(self, gradients: Any, parameters: Any) -> None:
        self.seen.assign_add(1.0)
        super().apply(gradients, parameters)


@pytest.mark.parametrize("kind", [WithState, WithNorm])
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_checking_and_tracing_leave_all_variables_alone(mode: str, kind: Any) -> None:
    network, optimizer = kind(), Counting()
    before = [*network.state(), *(v.numpy() for v in network.variables)]
    tftrain.gradcheck(network, X[:8], Y[:8], optimizer=optimizer, modes=[mode])
    tftrain.trace(network, X, Y, mode=mode)
    np.testing.assert_equal([*network.state(), *(v.numpy() for v in network.variables)], before)
    assert float(optimizer.seen) == 0


def stopped_early(network: tf.Module, observer: tftrain.Observer, mode: str) -> Any:
    return tftrain.fit(
        network,
        X,
        Y,
        validation=(X[:9], -Y[:9]),
        epochs=40,
        early_stopping=tftrain.EarlyStopping(5),
        optimizer=tftrain.optimizers.Adam(0.05),
        observers=[observer],
        compile=mode,
    )


@pytest.mark.parametrize("kind", [WithState, WithNorm])
@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_the_best_epoch_comes_back_with_its_statistics(mode: str, kind: Any) -> None:
    network, seen = kind(), {}

    class Keep(tftrain.Observer):
        def on_epoch(self, record: Any) -> None:
            seen[record.epoch] = network.state()[0]

    history = stopped_early(network, Keep(), mode)
    assert history.best_epoch < max(seen)
    np.testing.assert_array_equal(network.state()[0], seen[history.best_epoch])


@pytest.mark.parametrize("compiled", ["graph", "eager"])
def test_training_that_goes_on_keeps_plain_objects(tmp_path: Path, compiled: str) -> None:
    def trained(folder: Path, *epochs: int) -> list[np.ndarray]:
        for count in epochs:
            network = WithState()
            options = {"compile": compiled, "checkpoints": Checkpoints(folder)}
            tftrain.fit(network, X, Y, epochs=count, **options)
        return [network.w.numpy(), network.held[1].mean.numpy()]

    whole = trained(tmp_path / "one", 6)
    np.testing.assert_equal(trained(tmp_path / "two", 3, 6), whole)


class LazyNorm(tf.Module):
    """Makes its moving mean at the first call, and moves it at once."""

    mean: tf.Variable | None = None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if self.mean is None:
            self.mean = tf.Variable(tf.zeros(x.shape[1]), trainable=False)
            self.gain = tf.Variable(tf.ones(x.shape[1]))
        mean = tf.reduce_mean(x, 0)
        self.mean.assign(0.9 * self.mean + 0.1 * mean)
        return self.gain * (x - mean)


class Decorated(LazyNorm):
    __call__ = tf.function(LazyNorm.__call__, autograph=False)


class Drawing(tf.Module):
    """Draws from a generator in a dictionary whose keys are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(tf.ones([3, 1]))
        self.generators = {0: tf.random.Generator.from_seed(1)}

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        noise = self.generators[0].normal([3])
        return (x + 0.1 * noise) @ self.w if x.numpy().size else x  # in eager mode alone


@pytest.mark.parametrize("kind", [LazyNorm, Decorated])
@pytest.mark.parametrize("use", [tftrain.gradcheck, tftrain.trace])
def test_what_is_made_in_a_trial_keeps_its_first_value(kind: Any, use: Any) -> None:
    network = nn.Sequential([kind(), nn.Dense(3, 1)])
    use(network, X, Y)
    np.testing.assert_array_equal(network.layers[0].mean, np.zeros(3))


def test_a_trial_draws_nothing() -> None:
    first, second = Drawing(), Drawing()
    tftrain.fit(first, X, Y, epochs=1, batch_size="full", compile="eager")
    noise = second.generators[0].normal([3])
    np.testing.assert_array_equal(second.generators[0].state, first.generators[0].state)
    assert noise.shape == (3,)


class Late(tf.Module):
    w: tf.Variable | None = None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if self.w is None:
            self.w = tf.Variable(tf.eye(x.shape[1]))
        return x @ self.w


@pytest.mark.parametrize("mode", COMPILES)
def test_a_layer_behind_one_that_needs_a_whole_batch_is_trained(mode: str) -> None:
    layers = [lambda x: tf.reshape(x, [20, 3]), Late(), nn.Activation("tanh"), nn.Dense(3, 1)]
    network = nn.Sequential(layers)
    tftrain.fit(network, X, Y, epochs=2, batch_size=20, compile=mode)
    assert np.any(network.layers[1].w.numpy() != np.eye(3))
    again = nn.Sequential([*layers[:1], Late(), *layers[2:]])
    assert tftrain.gradcheck(again, X[:20], Y[:20], modes=["graph"]).ok
    assert len(again.trainable_variables) == 3


class InPrograms(nn.Dense):
    """Uses a variable in programs alone, where no trial sees it."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        y = super().__call__(x)
        if x.shape[0] != 7:
            return y
        return y * HIDDEN["a list"][0]


HIDDEN = {"a list": [tf.Variable(1.0, name="hidden")]}


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_what_only_the_program_reads_is_named(mode: str) -> None:
    held = r"hidden:0 of shape \(\), which is held by .*\(the global HIDDEN\)\['a list'\]\[0\]"
    with pytest.raises(InputError, match=held):
        tftrain.fit(InPrograms(3, 1), X, Y, batch_size=7, compile=mode)


@pytest.mark.parametrize("mode", COMPILES)
def test_losses_and_schedules_may_read_variables_that_are_not_trained(mode: str) -> None:
    class Scaled(tftrain.losses.MeanSquaredError):
        factor = tf.Variable(2.0)

        def term(self, error: tf.Tensor) -> tf.Tensor:
            return HIDDEN["a list"][0] * self.factor * super().term(error)

    class Falling(tftrain.optimizers.Schedule):
        def factor(self, step: tf.Tensor) -> tf.Tensor:
            return tf.cast(HIDDEN["a list"][0], tf.float64) * tf.ones_like(step)

    optimizer = tftrain.optimizers.SGD(Falling(0.1))
    history = tftrain.fit(
        nn.MLP(3, [4], 1), X, Y, loss=Scaled(), optimizer=optimizer, epochs=2, compile=mode
    )
    assert len(history.epochs) == 2


class Again(tf.Module):
    """Makes and moves a counter at the first call; needs a whole batch, and cannot be traced."""

    count: tf.Variable | None = None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if self.count is None:
            self.count = tf.Variable(0.0, trainable=False)
            self.w = tf.Variable(tf.ones([3, 1]))
        self.count.assign_add(1.0)
        return tf.reshape(x, [20, 3]) @ self.w if x.numpy().size else x


def test_two_trials_leave_the_first_values() -> None:
    network = Again()
    tftrain.fit(network, X[:20], Y[:20], epochs=1, batch_size="full", compile="eager")
    assert float(network.count) == 1


class Hiding:
    """Makes a variable at the first call, where nothing finds it."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.w = getattr(self, "w", None) or [tf.Variable(tf.ones([3, 3]), name="hidden")]
        return x @ self.w[0]


def test_where_a_variable_was_made_is_named() -> None:
    with pytest.raises(InputError, match=r"hidden:0 .* and was made in .*test_state\.py, line \d+"):
        tftrain.fit(nn.Sequential([Hiding(), nn.Dense(3, 1)]), X, Y)


class Slotted:
    """Has no `__dict__`, refuses to be asked for what it lacks, and holds many things besides."""

    __slots__ = ("many", "w")

    def __init__(self) -> None:
        self.many = [*range(200_000), self]
        self.w = tf.Variable(tf.ones([3, 3]), name="hidden")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.w


class Asked(tf.Module):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.w, self.held = tf.Variable(tf.ones([3, 1])), [held]

    @property
    def __wrapped__(self) -> Any:
        raise RuntimeError("not to be asked for")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.held[0](x) @ self.w


def test_objects_are_looked_into_without_asking_their_classes() -> None:
    with pytest.raises(InputError, match=r"hidden:0 .*, which is held by network\.held\[0\]\.w"):
        tftrain.fit(Asked(Slotted()), X, Y)
    tftrain.fit(Asked(tf.tanh), X, Y, epochs=1)


class Growing(nn.Dense):
    """Appends to a list of losses; has a text, and a table that grows."""

    def __init__(self) -> None:
        super().__init__(3, 1)
        self.text = tf.Variable("a text", trainable=False)
        self.seen = tf.Variable([0.0], shape=[None], trainable=False)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.seen.assign(tf.concat([self.seen, [tf.reduce_mean(x)]], 0))
        return super().__call__(x)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_texts_and_what_grows_are_state_too(mode: str) -> None:
    network = Growing()
    assert tftrain.gradcheck(network, X, Y, modes=[mode]).ok
    assert network.seen.shape == [None]
    assert len(network.seen.numpy()) == 1
    stopping = tftrain.EarlyStopping(2)
    options: dict[str, Any] = {"epochs": 9, "early_stopping": stopping, "compile": mode}
    tftrain.fit(network, X, Y, validation=(X, -Y), **options)


def test_an_error_without_text_has_a_name() -> None:
    class Silent(tf.Module):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            raise NotImplementedError

    with pytest.raises(InputError, match="NotImplementedError"):
        tftrain.fit(Silent(), X, Y)


MOVED, NOT_ITS_OWN = tf.Variable(tf.zeros(3), trainable=False), tf.Variable(0.0, trainable=False)


class AsksForValues(tf.Module):
    """Can only be called; moves a global, from the third call on."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(tf.ones([3, 1]))
        self.calls = 0

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.calls += float(tf.reduce_sum(x)) != 12345
        mean = tf.reduce_mean(x, 0)
        if self.calls > 2:
            MOVED.assign(0.9 * MOVED + 0.1 * mean)
        return (x - mean) @ self.w


def test_early_stopping_restores_what_a_network_may_change_and_nothing_else() -> None:
    network, seen = AsksForValues(), {}

    class Keep(tftrain.Observer):
        def on_epoch(self, record: Any) -> None:
            seen[record.epoch] = MOVED.numpy()
            NOT_ITS_OWN.assign(record.epoch)

    history = stopped_early(network, Keep(), "eager")
    assert history.best_epoch < max(seen)
    assert np.any(seen[history.best_epoch] != seen[max(seen)])
    np.testing.assert_array_equal(MOVED, seen[history.best_epoch])
    assert float(NOT_ITS_OWN) == max(seen)
