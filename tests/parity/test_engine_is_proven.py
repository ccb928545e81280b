"""What the certificate proves is a step; what trains is the engine's program around it."""

import numpy as np
import pytest

import tftrain
from tests.support.parameters import slow
from tftrain import losses, nn, optimizers
from tftrain.names import MODES
from tftrain.parity.evidence import rounding
from tftrain.training.batch import as_batch
from tftrain.training.recorder import Tracer
from tftrain.training.step import Step


def network(precision: str) -> nn.MLP:
    mixed = {"precision": nn.MIXED} if precision == nn.MIXED else {"dtype": precision}
    return nn.MLP(5, [32, 16], 1, activation="tanh", seed=1, **mixed)


@pytest.mark.filterwarnings("ignore:the network computes in bfloat16")  # slow on some processors
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("precision", ["float32", slow("float64"), slow(nn.MIXED)])
@pytest.mark.parametrize("mode", MODES)
def test_the_engine_makes_the_step_that_is_proven(
    mode: str, precision: str, optimizer: str
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 5)), rng.standard_normal((64, 1))
    trained, traced = network(precision), network(precision)
    parameters = traced.trainable_variables
    start = [parameter.numpy() for parameter in parameters]
    objective = losses.Objective(losses.get("mse"))
    step = Step(traced, parameters, objective, optimizers.get(optimizer))
    batch = as_batch(x, y, None, parameters[0].dtype)
    update = Tracer(step, batch, mode, update=True).run().update
    assert update is not None

    history = tftrain.fit(
        trained, x, y, optimizer=optimizer, epochs=1, batch_size="full", compile=mode
    )
    assert history.steps == 1
    for one, proven, before in zip(trained.trainable_variables, update.after, start, strict=True):
        change = np.max(np.abs(proven - before))
        assert change > 0
        np.testing.assert_allclose(one, proven, rtol=0, atol=rounding(precision) * change)
