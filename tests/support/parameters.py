"""Parameters that repeat what others show: only the long run, `make test-slow`, takes them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def slow(*values: Any, id: str | None = None) -> Any:
    """Return one set of parameters for the long run."""
    return pytest.param(*values, marks=pytest.mark.slow, id=id)


def slow_unless(quick: Callable[[Any], bool], values: Iterable[Any]) -> list[Any]:
    """Return single parameters, of which every run takes those that are `quick`."""
    return [value if quick(value) else slow(value) for value in values]
