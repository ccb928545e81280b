"""Who holds a variable that TensorFlow does not find: plain objects, closures, globals."""

import inspect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import tensorflow as tf

LIBRARIES = frozenset({"tensorflow", "tftrain", "numpy", "builtins"})

MOST_THINGS = 100_000
"""Things that are looked into, at most: a network may hold a table."""


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
            left += [(path + step, inner) for step, inner in _inside(thing)]


def _inside(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds, each with how it is reached: `.name` or `[number]`."""
    if isinstance(thing, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in thing.items())
    elif isinstance(thing, (list, tuple, set)):
        yield from ((f"[{number}]", value) for number, value in enumerate(thing))
    elif isinstance(thing, partial):
        yield from (("", thing.func), (".args", thing.args), (".keywords", thing.keywords))
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing)
    elif not isinstance(thing, (tf.Tensor, type, ModuleType)):
        yield from _of_object(thing)


def _of_object(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, and what its `__call__` knows."""
    attributes: Iterable[Any] = getattr(thing, "__dict__", {}).items()
    if _is_of_a_library(type(thing)) and not isinstance(thing, (tf.Module, tf.random.Generator)):
        attributes = [("", getattr(thing, "python_function", None))]  # of a tf.function
    for name, value in attributes:
        if not name.startswith("_self_"):
            yield f".{name}" if name else "", value
    for name in ("__self__", "__wrapped__"):
        if hasattr(thing, name):
            yield "", getattr(thing, name)
    yield "", inspect.getattr_static(type(thing), "__call__", None)


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
