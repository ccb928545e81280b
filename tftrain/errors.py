"""Every error that tftrain raises on purpose.

A message names the place (file, line, column, key) and the remedy. The command line prints it
without a traceback and exits with `exit_code`.
"""

import math
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral, Real
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, TypeVar

T = TypeVar("T")


class TftrainError(Exception):
    """Base of all errors below; by itself it means that a run failed."""

    exit_code = 1


class TftrainWarning(UserWarning):
    """Something happens in another way than was asked. The command line prints it."""


class InputError(TftrainError, ValueError):
    """Something that is the user's to change: a config, a table, an argument."""

    exit_code = 2


class ConfigError(InputError):
    """A config file, a config dictionary or a `--set` override is wrong."""


class DataError(InputError):
    """A table cannot be read, or does not hold what the config says."""


class OutputError(InputError):
    """A file or directory cannot be written."""


class RunError(InputError):
    """A run directory is not what it should be."""


class ShapeError(InputError):
    """Two shapes, or two dtypes, that must agree do not."""


class OutOfMemoryError(TftrainError):
    """A training, a network or a table needs more memory than the process can have."""


class DivergedError(TftrainError):
    """A loss, or the norm of a gradient, became NaN or infinite.

    Attributes:
        what: became so.
        value: that it had.
        epoch: the epoch in which it happened, counted from 1.
        step: the step within that epoch, counted from 1.
        found: where in that step a value was not finite first, as far as that is known.
    """

    def __init__(self, what: str, value: float, epoch: int, step: int, found: str = "") -> None:
        super().__init__(what, value, epoch, step, found)  # from which it can be pickled
        self.what, self.value = what, value
        self.epoch, self.step = epoch, step
        self.found = found

    def __str__(self) -> str:
        where = f" ({self.found})" if self.found else ""
        return (
            f"training diverged: the {self.what} became {self.value} at epoch {self.epoch}, "
            f"step {self.step}{where}. "
            "Lower the learning rate, clip the gradients (optimizer.clip_norm), or look for "
            "extreme values in the data."
        )


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C asked the process to end; answered like Ctrl-C.

    Attributes:
        number: of the signal: SIGTERM, as clusters send it, or SIGHUP, when a terminal is closed.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Put the name of a table in front of each line of a DataError that is raised inside."""
    try:
        yield
    except DataError as error:
        lines = str(error).splitlines() or [""]
        raise DataError("\n".join(f"{place}: {line}" for line in lines)) from None


def whole_number(name: str, value: object, minimum: int = 1) -> int:
    """Return an argument as an int; raise InputError unless it is one, and at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise InputError(
            f"{name} must be a whole number of at least {minimum}, got {_shown(value)}"
        )
    return int(value)


def number(name: str, value: Any, *, positive: bool = False, below: float = math.inf) -> float:
    """Return an argument as a float.

    Raises:
        InputError: it is not a number, or not below `below`, or negative, or zero where it must be
            positive.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number, got {_shown(value)}")
    real = float(value)
    if not (real > 0 if positive else real >= 0) or not real < below:
        least = "positive" if positive else "at least 0"
        most = "finite" if below == math.inf else f"below {below:g}"
        raise InputError(f"{name} must be {least} and {most}, got {value}")
    return real


def of_type(
    name: str, value: Any, kinds: type | tuple[type, ...], wanted: str, optional: bool = False
) -> Any:
    """Return an argument; raise InputError, which says what is wanted, unless it is of a type.

    Args:
        name: of the argument.
        value: the argument.
        kinds: the types that it may have.
        wanted: what it should be, in the user's words.
        optional: whether it may be None.
    """
    if not isinstance(value, kinds) and not (optional and value is None):
        raise InputError(f"{name} must be {wanted}; got {_shown(value)}")
    return value


def entry(what: str, name: object, table: Mapping[str, T]) -> T:
    """Return what a table of names has for a name; raise InputError where it has nothing."""
    if not isinstance(name, str) or name not in table:
        raise unknown(what, name, table)
    return table[name]


def chosen(
    what: str, given: object, kind: type[T], table: Mapping[str, Callable[..., T]], wanted: str
) -> T:
    """Return an object of a kind itself, or make the one of that name.

    Args:
        what: the argument.
        given: the object, or a name.
        kind: the class that it may be of.
        table: what makes an object, by name.
        wanted: what else than a name may be given, in the user's words.

    Raises:
        InputError: it is neither; the message says what to give.
    """
    if isinstance(given, kind):
        return given
    if isinstance(given, str):
        return entry(what, given, table)()
    if isinstance(given, type) and issubclass(given, kind):
        raise InputError(
            f"{what} must be an object, got the class {given.__name__}: give {given.__name__}(...)"
        )
    raise InputError(f"{what} must be one of {', '.join(table)}, or {wanted}; got {_shown(given)}")


def _shown(value: object) -> str:
    """Return a value as text, or what kind of thing it is where that text would say little."""
    for kind, name in (("class", type), ("function", FUNCTIONS)):
        if isinstance(value, name):
            return f"the {kind} {getattr(value, '__name__', value)}"
    text = repr(value)
    short = len(text) <= 60 and "\n" not in text and " at 0x" not in text
    return text if short else f"an object of the type {type(value).__name__}"


FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)


def one_of(what: str, name: str, choices: Collection[str]) -> None:
    """Raise InputError unless a name is one of `choices`."""
    if name not in choices:
        raise unknown(what, name, choices)


def unknown(what: str, name: object, choices: Iterable[str]) -> InputError:
    """Return the error for a name that is none of `choices`, with the nearest one and all."""
    options = list(choices)
    hint = did_you_mean(str(name), options) or "."
    return InputError(f"unknown {what} {_shown(name)}{hint} Known: {', '.join(options)}.")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `", did you mean X?"` for the nearest of `choices`, or an empty string."""
    near = nearest(word, choices)
    return "" if near is None else f", did you mean {on_one_line(near)}?"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is spelled most like `word`, or None where none is near."""
    options = [choice for choice in choices if len(choice) <= LONGEST_GUESS]
    if len(word) > LONGEST_GUESS:
        return None
    folded = {option.casefold(): option for option in reversed(options)}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


LONGEST_GUESS = 200
"""Characters of a name that may be guessed; longer ones cannot be compared at a glance."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its class where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def on_one_line(name: str) -> str:
    """Return a name as it is, or quoted and escaped where it holds line ends or the like."""
    return name if name.isprintable() else repr(name)


def excerpt(value: object, most: int = 60) -> str:
    """Return a value as Python writes it, cut where that is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= most else text[: most - 3] + "..."
