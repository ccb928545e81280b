"""The settings of losses, optimizers and schedules: what they hold, and what their classes do."""

import hashlib
import inspect
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property, partial
from numbers import Real
from types import CodeType, FunctionType, MappingProxyType, MethodType, SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.arrays import digest_of
from tftrain.errors import InputError
from tftrain.training.history import Observer
from tftrain.training.holders import attributes, cells_of, is_of_a_library

NO_SETTINGS = frozenset({*vars(tf.Module()), "_built_for", "step", "slots"})
"""Attributes that TensorFlow and `tftrain.optimizers.Optimizer` need for themselves."""


def settings_of(thing: Any) -> dict[str, Any]:
    """Return the settings of an object by name: its attributes, and its own classes' values."""
    own = dict(attributes(thing)).items()
    return {n: v for n, v in own if n not in NO_SETTINGS and not n.startswith("_self_")}


def parts_of(value: Any) -> list[tuple[str, Any]] | None:
    """Return what a setting is made of: elements without a name, and attributes by name.

    A container of a user's own class, as a NamedTuple, has both.

    Returns:
        The parts; None for a number, a text, an array, and whatever else cannot be taken apart.
    """
    elements, is_object = _elements_of(value), _is_object(value)
    if elements is None and not is_object:
        return None
    parts = [("", element) for element in elements or ()]
    return [*parts, *sorted(settings_of(value).items())] if is_object else parts


def _elements_of(value: Any) -> Iterable[Any] | None:
    match value:
        case dict() | MappingProxyType():
            return [part for pair in value.items() for part in pair]
        case set() | frozenset():
            return sorted(value, key=repr)
        case list() | tuple() | deque():
            return value
        case np.ndarray() if value.dtype.names:
            return [value[name] for name in value.dtype.names]
        case np.ndarray() if value.dtype.hasobject:
            return list(value.flat)
        case tf.RaggedTensor():
            return [value.flat_values, *value.nested_row_splits]
        case tf.SparseTensor() | tf.IndexedSlices():
            return [value.values, value.indices]
        case partial():
            return [value.func, value.args, value.keywords]
        case MethodType():
            return [value.__self__, value.__func__]
        case FunctionType() if is_of_a_library(value):
            return []
        case FunctionType():
            given = value.__defaults__, value.__kwdefaults__
            return [*cells_of(value), *given, constants_of(value.__code__)]
    return None


def constants_of(code: CodeType) -> list[Any]:
    """Return the numbers that are written in a function, and in those inside it."""
    inner = [constants_of(one) for one in code.co_consts if isinstance(one, CodeType)]
    return [*inner, *(one for one in code.co_consts if isinstance(one, NUMBERS))]


NUMBERS = (int, float, tuple, frozenset)
"""Types of constants that are, or hold, numbers."""


def methods_of(thing: Any) -> list[FunctionType]:
    """Return the methods and properties of an object that are no library's, as functions."""
    own = (kind for kind in type(thing).__mro__ if not is_of_a_library(kind))
    found = (_function_of(value) for kind in own for value in vars(kind).values())
    return [one for one in found if isinstance(one, FunctionType)]


def _function_of(value: Any) -> Any:
    """Return the function of a property, of a static method, or inside a decorator."""
    match value:
        case property():
            value = value.fget
        case cached_property():
            value = value.func
        case staticmethod() | classmethod():
            value = value.__func__
    return inspect.unwrap(value) if isinstance(value, FunctionType) else value


def _is_object(value: Any) -> bool:
    """Return whether a value is an object of a user's class, or of one made to hold settings."""
    if isinstance(value, (type, tf.Variable, tf.Tensor)):
        return False
    if isinstance(value, (SimpleNamespace, Namespace, tf.Module)):
        return True
    module = type(value).__module__
    if is_of_a_library(type(value)) or module.split(".")[0] in OF_PYTHON:
        return module.startswith("tftrain.")
    return array_of(value) is None


OF_PYTHON = sys.stdlib_module_names - {"__main__"}


def array_of(value: Any) -> np.ndarray | None:
    """Return a number, or an array or tensor of numbers, as an array; None for anything else.

    Raises:
        InputError: it is a tensor of a program, which has no value.
    """
    if isinstance(value, Decimal):
        return np.asarray(float(value))
    if tf.is_tensor(value) and not isinstance(value, tf.Variable) and not hasattr(value, "numpy"):
        raise InputError(
            f"a setting of a loss, an optimizer or a schedule is {value}, a tensor that was made "
            "inside a tf.function and has no value: make it outside"
        )
    if isinstance(value, type) or not (
        isinstance(value, Real) or hasattr(type(value), "__array__")
    ):
        return None
    try:
        found = np.asarray(value.numpy() if tf.is_tensor(value) else value)  # of bfloat16 too
        return found.astype(np.float64) if found.dtype.hasobject else found
    except Exception:  # a user's object may raise anything
        return None


def leaves_of(settings: Any, closed: type | tuple[type, ...] = ()) -> Iterator[Any]:
    """Yield what settings are made of in the end, each object once.

    Args:
        settings: one setting, or a container of them.
        closed: types that are not looked into.
    """
    left, seen = [settings], dict[int, Any]()
    while left and len(seen) < MOST_PARTS:
        value = left.pop()
        parts = None if isinstance(value, closed) else parts_of(value)
        if parts is None:
            yield value
        elif id(value) not in seen:
            seen[id(value)] = value  # so that no other object takes its place, and its number
            left += [part for _, part in reversed(parts)]


MOST_PARTS = 100_000
"""Containers and objects that are looked into, at most."""


def described(thing: Any) -> str:
    """Return the class and the settings of a loss, an optimizer or a schedule, as text.

    Settings are numbers, arrays, text, and whatever is made of these; no variables, and nothing of
    an observer that lends a method.
    """
    return _Description().of(thing)


class _Description:
    """The texts of settings, each object's made once: it may be held twice, or hold itself."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}

    def of(self, value: Any, depth: int = 0) -> str:
        """Return a setting as text, or an empty text for anything that is not a setting."""
        if isinstance(value, (tf.Variable, Observer)) or depth > DEEPEST:
            return ""
        if id(value) in self._known:
            return self._known[id(value)][1]
        parts = parts_of(value)
        if parts is None:
            return _of_leaf(value)
        self._known[id(value)] = value, ""
        named = [(name, self.of(part, depth + 1)) for name, part in parts]
        inside = ", ".join(f"{name}={text}" if name else text for name, text in named if text)
        text = f"{type(value).__name__}({inside})" if _is_object(value) else f"[{inside}]"
        if len(text) > LONG:
            text = f"{type(value).__name__}: {hashlib.sha256(text.encode()).hexdigest()}"
        self._known[id(value)] = value, text
        return text


DEEPEST = 50
"""Levels of objects within objects that are described."""

LONG = 1000
"""Characters of a text above which its digest stands for it."""


def _of_leaf(value: Any) -> str:
    if isinstance(value, (str, range)):
        return repr(value)
    if isinstance(value, Real):
        return str(value)
    array = array_of(value)
    return "" if array is None else f"{array.dtype.name}{array.shape}: {digest_of(array)}"
