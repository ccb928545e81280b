"""Who holds a variable that TensorFlow does not find: plain objects, closures, globals."""

import inspect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

LIBRARIES = frozenset({"tensorflow", "tftrain", "numpy", "pandas", "pyarrow", "builtins"})

LEAVES = (type(None), bool, int, float, str, bytes, np.ndarray, np.generic, tf.Tensor)
"""Types that hold no variables."""

MOST_THINGS = 100_000
"""Things that are looked into, at most: a network may hold a table."""


def variables_of(network: tf.Module, parameters: Sequence[tf.Variable]) -> list[tf.Variable]:
    """Return all variables of a network, the parameters first, each once.

    Those of a `tf.random.Generator` and the like, which are not `tf.Module`s, are among them.
    """
    held = [*parameters, *network.variables]
    with suppress(ValueError):  # a dictionary with keys that are not text; its modules are there
        tracked = tf.train.TrackableView(network).descendants()
        held += [one for one in tracked if isinstance(one, tf.Variable)]
    return list({variable.ref(): variable for variable in held}.values())


def held_by(thing: Any, name: str) -> Iterator[tuple[str, tf.Variable]]:
    """Yield each variable that something holds, with its place, such as `network.layers[0].weight`.

    Args:
        thing: a network, for instance.
        name: how its places begin.
    """
    left: deque[tuple[str, Any]] = deque([(name, thing)])
    seen: set[int] = set()
    while left and len(seen) < MOST_THINGS:
        path, thing = left.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, tf.Variable):
            yield path, thing
        else:
            inside = ((step, one) for step, one in _inside(thing) if not isinstance(one, LEAVES))
            left += [(f"{path}{step}", one) for step, one in islice(inside, MOST_THINGS)]


def _inside(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what an object holds, each with how it is reached: `.name` or `[number]`."""
    if isinstance(thing, Mapping):
        yield from ((_Key(key), value) for key, value in thing.items())
    elif isinstance(thing, (list, tuple, set)):
        yield from ((_Key(number), value) for number, value in enumerate(thing))
    elif isinstance(thing, partial):
        yield from (("", thing.func), (".args", thing.args), (".keywords", thing.keywords))
    elif isinstance(thing, MethodType):
        yield from (("", thing.__self__), ("", thing.__func__))
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing)
    elif not isinstance(thing, (type, ModuleType)):
        yield from _of_object(thing)


class _Key(NamedTuple):
    """The key of an element; it becomes text where the element is looked into."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


def _of_object(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, and what its `__call__` knows."""
    if not _is_of_a_library(type(thing)) or isinstance(thing, (tf.Module, tf.random.Generator)):
        for name, value in _attributes(thing):
            if not name.startswith("_self_"):
                yield f".{name}", value
    elif type(thing).__module__.startswith("tensorflow."):
        yield "", getattr(thing, "python_function", None)  # of a tf.function
    yield "", inspect.getattr_static(type(thing), "__call__", None)


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that an object has itself, without asking its class for more."""
    with suppress(AttributeError):
        yield from object.__getattribute__(thing, "__dict__").items()
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with suppress(AttributeError):
                yield name, object.__getattribute__(thing, name)


def _of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables of the functions around a function, and the globals that it names."""
    yield "", getattr(function, "__wrapped__", None)
    if _is_of_a_library(function):
        return
    for cell in function.__closure__ or ():
        if _is_filled(cell):
            yield "", cell.cell_contents
    for name in function.__code__.co_names:
        yield f" (the global {name})", function.__globals__.get(name)


def _is_of_a_library(thing: Any) -> bool:
    """Return whether a function or class is a library's, which holds no variables of a user's."""
    return (getattr(thing, "__module__", None) or "").split(".")[0] in LIBRARIES


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it raises where nothing is in it
    except ValueError:
        return False
    return True
