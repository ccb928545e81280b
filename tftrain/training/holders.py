"""Who holds a variable that TensorFlow does not find: plain objects, closures, globals."""

import inspect
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import islice
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

LIBRARIES = frozenset({"tensorflow", "tftrain", "numpy", "pandas", "pyarrow", "builtins"})

LEAVES = (type(None), bool, int, float, str, bytes, np.ndarray, np.generic, tf.Tensor)
"""Types that hold no variables."""

MOST_THINGS = 1_000_000
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
    left: deque[tuple[_Path, Any]] = deque([(_Path(None, name), thing)])
    seen: dict[int, Any] = {}
    while left and len(seen) < MOST_THINGS:
        path, thing = left.popleft()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing  # so that no other object takes its place, and its number
        if issubclass(type(thing), tf.Variable):
            yield str(path), thing
            continue
        with suppress(Exception):  # a user's object may raise anything
            for step, one in islice(_inside(thing), MOST_THINGS):
                if not issubclass(type(one), LEAVES):
                    left.append((_Path(path, step), one))


class _Path(NamedTuple):
    """How a thing is reached, from the thing before; it becomes text where that is wanted."""

    before: "_Path | None"
    step: Any

    def __str__(self) -> str:
        steps, path = [self.step], self.before
        while path is not None:
            steps.append(path.step)
            path = path.before
        return "".join(str(step) for step in reversed(steps))


def _inside(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what an object holds, each with how it is reached: `.name` or `[number]`."""
    if isinstance(thing, MAPPINGS):
        yield from ((_Key(key), value) for key, value in thing.items())
    elif isinstance(thing, COLLECTIONS):
        yield from ((_Key(number), value) for number, value in enumerate(thing))
    elif isinstance(thing, partial):
        yield from (("", thing.func), (".args", thing.args), (".keywords", thing.keywords))
    elif isinstance(thing, MethodType):
        yield from (("", thing.__self__), ("", thing.__func__))
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing)
    elif not isinstance(thing, (type, ModuleType)):
        yield from _of_object(thing)


MAPPINGS = (dict, MappingProxyType)
COLLECTIONS = (list, tuple, set, frozenset, deque)
"""Containers that are looked into. Those of other classes, as a table may be, are objects."""


class _Key(NamedTuple):
    """The key of an element; it becomes text where the element is looked into."""

    key: Any

    def __str__(self) -> str:
        try:
            return f"[{self.key!r}]"
        except Exception:  # a user's object may raise anything
            return f"[a {type(self.key).__name__}]"


def _of_object(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, and what its `__call__` knows."""
    kind: Any = type(thing)
    shape = _shape_of(kind)
    if not shape.opaque:
        for name, value in attributes(thing):
            if not name.startswith("_self_"):
                yield f".{name}", value
    elif type(thing).__module__.startswith("tensorflow."):
        yield "", getattr(thing, "python_function", None)  # of a tf.function
    yield "", shape.call


def attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values of an object and of its own classes, without asking it for more."""
    kind: Any = type(thing)
    shape = _shape_of(kind)
    for own in shape.classes:
        yield from ((n, v) for n, v in list(vars(own).items()) if _is_value(n, v))
    with suppress(AttributeError):
        yield from object.__getattribute__(thing, "__dict__").items()
    for name in shape.slots:
        with suppress(AttributeError):
            yield name, object.__getattribute__(thing, name)


class _Shape(NamedTuple):
    """The facts about a class that its objects share: a network may hold many of them.

    Attributes:
        classes: those of users among itself and its bases, the bases first.
        slots: names of attributes.
        call: its `__call__`.
        opaque: whether it is a library's, so that its objects hold no variables of a user's.
    """

    classes: list[type]
    slots: list[str]
    call: Any
    opaque: bool


@lru_cache(maxsize=1000)
def _shape_of(kind: Any) -> _Shape:
    classes = [one for one in reversed(kind.__mro__) if not is_of_a_library(one)]
    slots = [name for one in kind.__mro__ for name in _slots_of(one)]
    opaque = is_of_a_library(kind) and not issubclass(kind, (tf.Module, tf.random.Generator))
    return _Shape(classes, slots, inspect.getattr_static(kind, "__call__", None), opaque)


def _slots_of(kind: type) -> list[str]:
    """Return the attributes that a class names in `__slots__`, private ones as Python does."""
    named = vars(kind).get("__slots__", ())
    private = f"_{kind.__name__.lstrip('_')}"
    return [
        f"{private}{name}" if name.startswith("__") and not name.endswith("__") else name
        for name in ([named] if isinstance(named, str) else named)
    ]


def _is_value(name: str, value: Any) -> bool:
    """Return whether a class has a value of this name, and not something to compute with."""
    is_code = hasattr(type(value), "__get__") or type(value).__name__ == "_abc_data"
    return not (name.startswith("__") or is_code)


def _of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables of the functions around a function, and the globals that it names."""
    yield "", getattr(function, "__wrapped__", None)
    if is_of_a_library(function):
        return
    for value in cells_of(function):
        yield "", value
    for name in function.__code__.co_names:
        yield f" (the global {name})", function.__globals__.get(name)


def is_of_a_library(thing: Any) -> bool:
    """Return whether a function or class is a library's, which holds no variables of a user's."""
    return (getattr(thing, "__module__", None) or "").split(".")[0] in LIBRARIES


def cells_of(function: FunctionType) -> Iterator[Any]:
    """Yield the variables that a function knows of the functions around it."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing is in it yet
            yield cell.cell_contents
