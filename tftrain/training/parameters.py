"""The parameters of a network: all of them, layers that make theirs at the first call included."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError, of_type
from tftrain.graph import mapped
from tftrain.training.holders import held_by, variables_of
from tftrain.training.trial import UNKNOWN, trial_of

WANTED = (
    "a tf.Module with a __call__ and trainable variables, such as tftrain.nn.MLP(3, [8], 1) or "
    "tftrain.nn.Sequential([...])"
)


def dtype_of(network: tf.Module) -> tf.DType:
    """Return the dtype of a network's inputs; float32 where it has no variables yet.

    Raises:
        InputError: it is not a network, or its variables are of several dtypes.
    """
    of_type("network", network, tf.Module, WANTED)
    if not callable(network):
        raise InputError("the network has no __call__ that maps inputs to predictions: write one")
    parameters = network.trainable_variables
    return common_dtype(parameters) if parameters else tf.float32


class Used(NamedTuple):
    """The variables that a network uses.

    Attributes:
        parameters: those that are trained.
        others: those that no module holds, as of plain Python objects; none is trained.
    """

    parameters: Sequence[tf.Variable]
    others: Sequence[tf.Variable]


def used_by(network: tf.Module, x: Any, rows: int) -> Used:
    """Return the variables that a network uses, once every layer has made its own.

    Args:
        network: maps a batch of inputs to a batch of predictions.
        x: inputs, shape `(rows, ...)`, or a nest of such tensors.
        rows: of a batch, on which the network is tried where it cannot be called with one row.

    Raises:
        InputError: it has no trainable variables, or of several dtypes or without a shape, or uses
            one that is not among those of its modules, so that nothing would train it; or it
            returns something else than a tensor.
    """
    if _is_ours(network):
        _require_trainable(network.trainable_variables)
        return Used(network.trainable_variables, [])
    trial = trial_of(network, mapped(itemgetter(slice(1)), x))
    if trial.output is UNKNOWN and rows > 1:
        again = trial_of(network, mapped(itemgetter(slice(rows)), x))
        trial = again._replace(made={**again.made, **trial.made})
    _require_tensor(trial.output)
    parameters = network.trainable_variables
    if parameters or not any(variable.trainable for variable in trial.read):
        _require_trainable(parameters)
    require_trained(network, parameters, trial.read, trial.made)
    found = [*trial.read, *(v for _, v in held_by(network, "") if trial.touches(v))]
    known = {variable.ref() for variable in variables_of(network, parameters)}
    others = {v.ref(): v for v in found if v.ref() not in known}
    return Used(parameters, list(others.values()))


def require_trained(
    network: tf.Module,
    parameters: Sequence[tf.Variable],
    read: Sequence[tf.Variable],
    made: Mapping[Any, str],
) -> None:
    """Raise InputError for a trainable variable that the network reads and nothing would train.

    Args:
        network: one that says itself what is trained may leave out what it likes.
        parameters: what is trained.
        read: what is read.
        made: where a variable was made, by its `ref()`, if that is known.
    """
    if getattr(type(network), "trainable_variables", None) is not tf.Module.trainable_variables:
        return
    known = {parameter.ref() for parameter in parameters}
    for variable in read:
        if variable.trainable and variable.ref() not in known:
            raise InputError(_not_trained(network, variable, made.get(variable.ref(), "")))


def _require_trainable(parameters: Sequence[tf.Variable]) -> None:
    """Raise InputError for parameters of several dtypes, or without a fixed shape, or for none."""
    common_dtype(parameters)
    for parameter in parameters:
        if not parameter.shape.is_fully_defined():
            raise InputError(
                f"the variable {parameter.name} has the shape {parameter.shape}, which is not "
                "fixed: create it without shape="
            )


def _require_tensor(output: Any) -> None:
    """Raise InputError for an output that is not a tensor."""
    if output is UNKNOWN or isinstance(output, (tf.Tensor, tf.Variable, np.ndarray)):
        return
    several = isinstance(output, (tuple, list, dict))
    what = f"a {type(output).__name__}" + (f" of {len(output)}" if several else "")
    raise InputError(
        f"the network returns {'None' if output is None else what}: return one tensor, shape "
        "(rows, ...), the predictions"
    )


def _is_ours(network: tf.Module) -> bool:
    """Return whether all layers are tftrain's own, which make their variables at once."""
    return all(nn.is_ours(wire.node) for wire in nn.wires(network))


def common_dtype(parameters: Sequence[tf.Variable]) -> tf.DType:
    """Return the dtype of all parameters; raise InputError where there are several, or none."""
    if not parameters:
        raise InputError("the network has no trainable variables")
    for parameter in parameters:
        if not parameter.dtype.is_floating:
            raise InputError(
                f"the variable {parameter.name} holds {parameter.dtype.name}: only floating-point "
                "numbers are trained, so create it with trainable=False"
            )
    names = sorted({parameter.dtype.name for parameter in parameters})
    if len(names) > 1:
        raise InputError(
            f"the network's variables are of several dtypes ({', '.join(names)}); use one"
        )
    return parameters[0].dtype


def _not_trained(network: tf.Module, variable: tf.Variable, made: str) -> str:
    place = next((path for path, one in held_by(network, "network") if one is variable), None)
    facts = [f"is held by {place}" if place else "", f"was made in {made}" if made else ""]
    about = " and ".join(fact for fact in facts if fact)
    return (
        f"the variable {variable.name} of shape {tuple(variable.shape)}"
        f"{f', which {about},' if about else ''} is used by the network but is not among its "
        "trainable_variables: keep it in an attribute of a tf.Module (a list, tuple or dictionary "
        "there will do), or create it with trainable=False"
    )
