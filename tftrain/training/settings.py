"""The settings of losses, optimizers and schedules: what they hold, and what their classes do."""

import hashlib
import inspect
import sys
from argparse import Namespace
from array import array
from collections import UserDict, UserList, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cached_property, partial
from numbers import Real
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    SimpleNamespace,
)
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.arrays import digest_of
from tftrain.losses import FunctionLoss
from tftrain.training.history import Observer
from tftrain.training.holders import attributes, cells_of, is_of_a_library

NO_SETTINGS = frozenset({*vars(tf.Module()), "_built_for", "_factors", "step", "slots"})
"""Attributes that TensorFlow and `tftrain.optimizers.Optimizer` need for themselves."""


def settings_of(thing: Any) -> dict[str, Any]:
    """Return the settings of an object by name: its attributes, and its own classes' values."""
    kind = type(thing)
    return {
        name: value
        for name, value in attributes(thing)
        if name not in NO_SETTINGS
        and not name.startswith("_self_")
        and not isinstance(inspect.getattr_static(kind, name, None), cached_property)
    }


def parts_of(value: Any) -> list[tuple[str, Any]] | None:
    """Return what a setting is made of: elements without a name, and attributes by name.

    A container of a user's own class, as a NamedTuple, has both.

    Returns:
        The parts; None for a number, a text, an array, and whatever else cannot be taken apart.
    """
    try:
        elements, is_object = _elements_of(value), _is_object(value)
        parts = [("", element) for element in elements or ()]
        parts += sorted(settings_of(value).items()) if is_object else []
    except Exception:  # a user's object may raise anything
        return None
    return None if elements is None and not is_object else parts


def _elements_of(value: Any) -> Iterable[Any] | None:
    match value:
        case dict() | MappingProxyType():
            return [part for pair in value.items() for part in pair]
        case set() | frozenset():
            return list(value)
        case list() | tuple() | deque():
            return [np.asarray(value)] if _are_many_numbers(value) else value
        case UserDict() | UserList():
            return [value.data]
        case array():
            return [np.asarray(value)]
        case np.ndarray() if value.dtype.names:
            return [value[name] for name in value.dtype.names]
        case np.ndarray() if value.dtype.hasobject:
            return list(value.flat)
        case tf.Tensor() if value.dtype == tf.string:
            return [value.numpy()]
        case tf.RaggedTensor():
            return [value.flat_values, *value.nested_row_splits]
        case tf.SparseTensor() | tf.IndexedSlices():
            return [value.values, value.indices, value.dense_shape]
        case partial():
            return [value.func, value.args, value.keywords]
        case MethodType():
            return [value.__self__, value.__func__]
        case FunctionLoss():
            return [digest_of_code(value.function)[:16]]
        case FunctionType() if not is_of_a_library(value):
            code, given = value.__code__, [value.__defaults__, value.__kwdefaults__]
            return [value.__qualname__, *cells_of(value), *given, constants_of(code)]
    return None


def digest_of_code(function: Any) -> str:
    """Return a digest of what a function does: its code, and that of the functions that it calls.

    So far as these are the user's, and named as globals or held in attributes or cells; numbers
    that it names as globals are part of it.
    """
    digest = hashlib.sha256()
    left, seen = [inspect.unwrap(function) if callable(function) else function], set[int]()
    for value in left:
        if id(value) in seen or is_of_a_library(value):
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            digest.update(repr(_code_of(value.__code__)).encode())
            left += [*globals_of(value), *cells_of(value)]
        elif isinstance(value, MethodType):
            left.append(value.__func__)
        elif isinstance(value, partial):
            left.append(value.func)
        elif _is_object(value):
            left += methods_of(value)
        else:
            digest.update(described(value).encode())
    return digest.hexdigest()


def _code_of(code: CodeType) -> list[Any]:
    """Return the instructions, names and constants of a function, and of those inside it."""
    return [code.co_code.hex(), code.co_names, [_constant(one) for one in code.co_consts]]


def _constant(value: Any) -> Any:
    if isinstance(value, frozenset):  # whose order differs from one process to the next
        return sorted(map(repr, value))
    return _code_of(value) if isinstance(value, CodeType) else repr(value)


def _are_many_numbers(values: Sequence[Any]) -> bool:
    """Return whether a container holds enough plain numbers to be better held as an array."""
    return len(values) > MANY and set(map(type, values)) <= {bool, int, float}


MANY = 100


def globals_of(function: FunctionType) -> list[Any]:
    """Return the numbers, their lists and arrays, and the users' functions that it names."""
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    wanted = (Real, list, tuple, np.ndarray, tf.Tensor, FunctionType)
    return [one for one in named if issubclass(type(one), wanted) and not is_of_a_library(one)]


def constants_of(code: CodeType) -> list[Any]:
    """Return the numbers that are written in a function, and in those inside it."""
    inner = [constants_of(one) for one in code.co_consts if isinstance(one, CodeType)]
    return [*inner, *(one for one in code.co_consts if isinstance(one, NUMBERS))]


NUMBERS = (int, float, tuple, frozenset)
"""Types of constants that are, or hold, numbers."""


def methods_of(thing: Any) -> list[FunctionType]:
    """Return the methods and properties of an object that no library defines, as functions."""
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
    """Return a number, or an array or tensor of numbers, as an array; None for anything else."""
    try:
        if isinstance(value, Decimal):
            return np.asarray(float(value))
        if isinstance(value, type) or not (
            isinstance(value, Real) or hasattr(type(value), "__array__")
        ):
            return None
        found = np.asarray(value.numpy() if tf.is_tensor(value) else value)  # of bfloat16 too
        return found.astype(np.float64) if found.dtype.hasobject else found
    except Exception:  # a user's object may raise anything; a tensor of a program has no value
        return None


def leaves_of(settings: Any, closed: type | tuple[type, ...] = ()) -> Iterator[Any]:
    """Yield what settings are made of in the end, and what their methods name.

    Args:
        settings: one setting, or a container of them.
        closed: types that are not looked into.
    """
    left, seen = [settings], dict[int, Any]()
    while left and len(seen) < MOST_PARTS:
        value = left.pop()
        parts = None if issubclass(type(value), closed) else parts_of(value)
        if parts is None:
            yield value
            continue
        if id(value) in seen:
            continue
        seen[id(value)] = value  # so that no other object takes its place, and its number
        left += [part for _, part in reversed(parts)]
        if isinstance(value, FunctionType):
            left += globals_of(value)
        elif _is_object(value):
            with suppress(Exception):  # a user's class may raise anything
                left += methods_of(value)


MOST_PARTS = 100_000
"""Containers and objects that are looked into, at most."""


def described(thing: Any) -> str:
    """Return the class and the settings of a loss, an optimizer or a schedule, as text.

    Settings are numbers, arrays, text, and whatever is made of these; no variables, and nothing of
    an observer that lends a method.
    """
    return _Description().of(thing)


def described_each(thing: Any, taken_apart: str) -> dict[str, str]:
    """Return the settings that a class knows as texts, by name; of one setting each of its own.

    An attribute that an object has and its class does not mention, as a mark that somebody leaves,
    is told from a setting by the names that the class and its methods use.
    """
    description, found = _Description(), dict[str, str]()
    for name, value in sorted(settings_of(thing).items()):
        if name == taken_apart:
            found[name] = type(value).__name__
            inner = sorted(settings_of(value).items())
            known = _known_names(type(value))
            found |= {f"{name}.{n}": description.of(v) for n, v in inner if n in known}
        elif name in _known_names(type(thing)):
            found[name] = description.of(value)
    return found


def _known_names(kind: type) -> set[str]:
    """Return the names of a class's attributes, and all that the code of its methods mentions."""
    found = set(dir(kind))
    for own in kind.__mro__:
        for value in vars(own).values():
            function = _function_of(value)
            if isinstance(function, FunctionType):
                found |= _names_in(function.__code__)
    return found


def _names_in(code: CodeType) -> set[str]:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    texts = {one for one in code.co_consts if isinstance(one, str)}
    return {*code.co_names, *texts}.union(*map(_names_in, inner))


class _Description:
    """The texts of settings, each object's made once: it may be held twice, or hold itself."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}

    def of(self, value: Any, depth: int = 0) -> str:
        """Return a setting as text, or an empty text for anything that is not a setting."""
        if issubclass(type(value), (tf.Variable, Observer)) or depth > DEEPEST:
            return ""
        if id(value) in self._known:
            return self._known[id(value)][1]
        parts = parts_of(value) if len(self._known) < MOST_PARTS else None
        if parts is None:
            return _of_leaf(value)
        self._known[id(value)] = value, ""
        texts = [(name, self.of(part, depth + 1)) for name, part in parts]
        inside = [f"{name}={text}" if name else text for name, text in texts if text]
        if issubclass(type(value), (set, frozenset)):
            inside.sort()
        kind = type(value).__name__
        text = f"{kind}({', '.join(inside)})" if _is_object(value) else f"[{', '.join(inside)}]"
        if len(text) > LONG:
            text = f"{kind}: {hashlib.sha256(text.encode()).hexdigest()}"
        self._known[id(value)] = value, text
        return text


DEEPEST = 50
"""Levels of objects within objects that are described."""

LONG = 1000
"""Characters of a text above which its digest stands for it."""


def _of_leaf(value: Any) -> str:
    try:
        if isinstance(value, PLAIN):
            return str.__repr__(value) if isinstance(value, str) else repr(value)
        if isinstance(value, NAMED):
            return f"{type(value).__name__} {value.__name__}"
        if isinstance(value, int):
            return hex(value) if abs(value) > MOST_DECIMALS else str(int(value))
        if isinstance(value, Real):
            return str(value)
        found = array_of(value)
        return "" if found is None else f"{found.dtype.name}{found.shape}: {digest_of(found)}"
    except Exception:  # a user's object may raise anything
        return ""


PLAIN = (str, bytes, range, complex, Decimal, date, time, timedelta)
"""Types of settings whose text is their representation."""

NAMED = (type, FunctionType, BuiltinFunctionType, np.ufunc)
"""Types of settings whose text is their name."""

MOST_DECIMALS = 10**1000
"""Python refuses to write integers of more than some thousand digits in decimal."""
