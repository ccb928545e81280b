"""The settings of losses, optimizers and schedules: what they hold, and what their classes do."""

import sys
from argparse import Namespace
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from numbers import Real
from types import CodeType, FunctionType, MappingProxyType, MethodType, SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.arrays import digest_of
from tftrain.errors import InputError
from tftrain.training.holders import MAPPINGS, attributes, cells_of, is_of_a_library

NO_SETTINGS = frozenset({*vars(tf.Module()), "_built_for", "step", "slots"})
"""Attributes that TensorFlow and `tftrain.optimizers.Optimizer` need for themselves."""


def settings_of(thing: Any) -> dict[str, Any]:
    """Return the settings of an object by name: its attributes, and its own classes' values."""
    own = dict(attributes(thing)).items()
    return {n: v for n, v in own if n not in NO_SETTINGS and not n.startswith("_self_")}


def parts_of(value: Any) -> list[Any] | None:
    """Return what a setting is made of: elements, attributes; None where it is not made of any."""
    match value:
        case dict() | MappingProxyType():
            return [part for pair in value.items() for part in pair]
        case set() | frozenset():
            return sorted(value, key=repr)
        case list() | tuple() | deque():
            return list(value)
        case np.ndarray() if value.dtype.names:
            return [value[name] for name in value.dtype.names]
        case np.ndarray() if value.dtype.hasobject:
            return list(value.reshape(-1).tolist())
        case tf.RaggedTensor():
            return [value.flat_values, *value.nested_row_splits]
        case tf.SparseTensor() | tf.IndexedSlices():
            return [value.values, value.indices]
        case partial():
            return [value.func, value.args, value.keywords]
        case MethodType():
            return [value.__self__, value.__func__]
        case FunctionType():
            given = value.__defaults__, value.__kwdefaults__
            return [*cells_of(value), *given, constants_of(value.__code__)]
    if isinstance(value, (type, tf.Variable, tf.Tensor)) or not _is_plain_object(value):
        return None
    return list(settings_of(value).values())


def constants_of(code: CodeType) -> list[Any]:
    """Return the numbers that are written in a function, and in those inside it."""
    inner = [constants_of(one) for one in code.co_consts if isinstance(one, CodeType)]
    return [*inner, *(one for one in code.co_consts if isinstance(one, (int, float, tuple)))]


def methods_of(thing: Any) -> list[FunctionType]:
    """Return the methods of an object that are no library's."""
    own = (kind for kind in type(thing).__mro__ if not is_of_a_library(kind))
    return [one for kind in own for one in vars(kind).values() if isinstance(one, FunctionType)]


def _is_plain_object(value: Any) -> bool:
    """Return whether an object is of a user's class, or of one that is made to hold settings."""
    kind = type(value)
    if isinstance(value, (SimpleNamespace, Namespace)):
        return True
    of_python = kind.__module__.split(".")[0] in sys.stdlib_module_names - {"__main__"}
    own_module = isinstance(value, tf.Module) or kind.__module__.startswith("tftrain.")
    return own_module or not (of_python or is_of_a_library(kind) or array_of(value) is not None)


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
    found = np.asarray(value)
    if not found.dtype.hasobject:
        return found
    try:
        return found.astype(np.float64)
    except (TypeError, ValueError):
        return None


def leaves_of(settings: Any, closed: type | tuple[type, ...] = ()) -> Iterator[Any]:
    """Yield what settings are made of in the end, each object once.

    Args:
        settings: one setting, or a container of them.
        closed: types that are not looked into.
    """
    left, seen = [settings], set[int]()
    while left and len(seen) < MOST_PARTS:
        value = left.pop()
        parts = None if isinstance(value, closed) else parts_of(value)
        if parts is None:
            yield value
        elif id(value) not in seen:
            seen.add(id(value))
            left += reversed(parts)


MOST_PARTS = 100_000
"""Containers and objects that are looked into, at most."""


def described(thing: Any) -> str:
    """Return the class and the settings of a loss, an optimizer or a schedule, as text.

    Settings are numbers, arrays, text, and whatever is made of these; no variables.
    """
    return _described(thing, ())


def _described(value: Any, around: tuple[Any, ...]) -> str:
    """Return a setting as text, or an empty text for anything that is not a setting.

    Args:
        value: the setting.
        around: what it is a part of: an object may hold itself.
    """
    if isinstance(value, tf.Variable) or any(value is one for one in around):
        return ""
    inside = (*around, value)
    if isinstance(value, MAPPINGS):
        texts = [f"{k}: {text}" for k, v in value.items() if (text := _described(v, inside))]
        return f"[{', '.join(texts)}]" if texts else ""
    parts = parts_of(value)
    if parts is None:
        return _of_leaf(value)
    if _is_plain_object(value):
        named = {n: _described(v, inside) for n, v in sorted(settings_of(value).items())}
        return f"{type(value).__name__}({', '.join(f'{n}={v}' for n, v in named.items() if v)})"
    texts = [text for part in parts if (text := _described(part, inside))]
    return f"[{', '.join(texts)}]" if texts else ""


def _of_leaf(value: Any) -> str:
    if isinstance(value, (str, range)):
        return repr(value)
    if isinstance(value, Real):
        return str(value)
    array = array_of(value)
    return "" if array is None else f"{array.dtype.name}{array.shape}: {digest_of(array)}"
