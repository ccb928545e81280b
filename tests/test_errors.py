"""Errors: they survive the way to another process, and say what was given."""

import copy
import inspect
import pickle
from collections.abc import Callable

import pytest

from tftrain import errors
from tftrain.errors import DivergedError, InputError, chosen, of_type

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_every_error_is_pickled_with_its_message_and_notes(
    kind: type[BaseException], again: Callable[[BaseException], BaseException]
) -> None:
    diverged = ("loss", float("inf"), 2, 3, "first in node 1 Dense")
    error = kind(*(diverged if kind is DivergedError else ["data.csv: no such file"]))
    error.add_note("run: runs/a/0001")
    other = again(error)
    assert type(other) is kind
    assert str(other) == str(error)
    assert vars(other) == vars(error)
    assert other.__notes__ == ["run: runs/a/0001"]


def test_a_divergence_says_what_and_where() -> None:
    error = DivergedError("loss", float("inf"), 2, 3, "first in node 1 Dense")
    assert str(error).startswith(
        "training diverged: the loss became inf at epoch 2, step 3 (first in node 1 Dense). Lower"
    )
    assert "step 3. Lower" in str(DivergedError("loss", float("nan"), 2, 3))


class Thing:
    """Anything."""


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (len, "the function len"),
        (test_a_divergence_says_what_and_where, "the function test_a_divergence"),
        (Thing, "the class Thing"),
        (Thing(), "an object of the type Thing"),
        (Thing().__repr__, "an object of the type"),
        (["a"] * 100, "an object of the type list"),
        ("short", "'short'"),
        (None, "None"),
    ],
)
def test_what_was_given_is_shown_without_addresses(given: object, shown: str) -> None:
    with pytest.raises(InputError, match=f"x must be a number; got {shown}") as caught:
        of_type("x", given, int, "a number")
    assert "0x" not in str(caught.value)


def test_an_object_is_taken_a_name_makes_one_and_the_rest_is_told_apart() -> None:
    table = {"thing": Thing}
    one = Thing()
    assert chosen("kind", one, Thing, table, "a Thing") is one
    assert type(chosen("kind", "thing", Thing, table, "a Thing")) is Thing
    with pytest.raises(InputError, match="unknown kind 'thong', did you mean thing"):
        chosen("kind", "thong", Thing, table, "a Thing")
    with pytest.raises(InputError, match=r"must be an object, got the class Thing: give Thing\("):
        chosen("kind", Thing, Thing, table, "a Thing")
    with pytest.raises(InputError, match="kind must be one of thing, or a Thing; got 3"):
        chosen("kind", 3, Thing, table, "a Thing")
