"""Every error that tftrain raises on purpose.

A message names the place (file, line, column, key) and the remedy. The command line prints it
without a traceback and exits with `exit_code`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class TftrainError(Exception):
    """Base of all errors below; by itself it means that a run failed."""

    exit_code = 1


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


class DivergedError(TftrainError):
    """A loss, or the norm of a gradient, became NaN or infinite.

    Attributes:
        epoch: the epoch in which it happened, counted from 1.
        step: the step within that epoch, counted from 1.
    """

    def __init__(self, what: str, value: float, epoch: int, step: int) -> None:
        self.epoch = epoch
        self.step = step
        super().__init__(
            f"training diverged: the {what} became {value} at epoch {epoch}, step {step}. "
            "Lower the learning rate, clip the gradients (optimizer.clip_norm), or look for "
            "extreme values in the data."
        )


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Put the name of a table in front of every DataError that is raised inside."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


def unknown(what: str, name: object, choices: Iterable[str]) -> InputError:
    """Return the error for a name that is none of `choices`, with the nearest one and all."""
    options = list(choices)
    hint = did_you_mean(str(name), options) or "."
    return InputError(f"unknown {what} {name!r}{hint} Known: {', '.join(options)}.")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `", did you mean X?"` for the nearest of `choices`, or an empty string."""
    options = list(choices)
    folded = {option.casefold(): option for option in reversed(options)}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f", did you mean {folded[near[0]]}?" if near else ""
