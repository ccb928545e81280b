"""Factors on the learning rate of single parameters, chosen by patterns of their names."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import tensorflow as tf

from tftrain.errors import InputError, number, of_type


def checked(factors: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return factors by pattern as plain numbers, or None where there are none.

    Raises:
        InputError: they are not a mapping of text to numbers that are finite and at least 0.
    """
    wanted = 'a factor for each pattern of names, such as {"layers.0.*": 0.1}'
    of_type("factors", factors, Mapping, wanted, optional=True)
    if not factors:
        return None
    for pattern in factors:
        of_type("a pattern of factors", pattern, str, "text such as 'layers.0.*'")
    return {pattern: number(f"factors[{pattern!r}]", f) for pattern, f in factors.items()}


def resolved(
    factors: Mapping[str, float] | None,
    parameters: Sequence[tf.Variable],
    names: Sequence[str] | None,
) -> list[float]:
    """Return the factor of each parameter: that of the first pattern which matches its name, or 1.

    Raises:
        InputError: there are factors but no names, or a pattern decides about no parameter.
    """
    if not factors:
        return [1.0] * len(parameters)
    if names is None:
        raise InputError(
            "factors need the names of the parameters: call optimizer.build(parameters, "
            "nn.parameter_names(network, parameters)) before apply"
        )
    deciding = [next((p for p in factors if fnmatchcase(name, p)), None) for name in names]
    for pattern in factors:
        if pattern not in deciding:
            raise InputError(_idle(pattern, names))
    return [1.0 if pattern is None else factors[pattern] for pattern in deciding]


def _idle(pattern: str, names: Sequence[str]) -> str:
    """Return the message for a pattern that decides about no parameter."""
    if any(fnmatchcase(name, pattern) for name in names):
        return (
            f"factors: {pattern!r} decides nothing, since patterns before it match all that it "
            "does and the first match counts: put it before them, or leave it out"
        )
    return f"factors: {pattern!r} matches no parameter. They are called {', '.join(names)}."
