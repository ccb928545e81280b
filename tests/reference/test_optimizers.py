"""The equations that the references of optimizers print."""

from dataclasses import dataclass
from typing import Any

from tftrain.reference import SGD, Adam, AdamW, Optimizer


@dataclass(kw_only=True)
class Adadelta(Optimizer):
    """Two slots and a setting, and no equations."""

    decay: float = 0.95
    slot_names = ("gradients", "changes")

    def change(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: int) -> Any:
        return -rate * gradient, slots


class Ascent(SGD):
    """Another rule than that of its parent."""

    def change(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: int) -> Any:
        return rate * gradient, {}


def test_without_equations_what_goes_in_and_comes_out_is_said() -> None:
    assert Adadelta(clip_norm=1.0).equations() == (
        ["w' - w, gradients', changes' = change(g, w, gradients, changes, e, k)"],
        ["decay = 0.95", "k = 1", "gradients = changes = 0"],
    )


def test_another_rule_does_not_inherit_the_equations() -> None:
    assert Ascent(momentum=0.5).equations() == (
        ["w' - w, velocity' = change(g, w, velocity, e, k)"],
        ["momentum = 0.5", "nesterov = 0", "k = 1", "velocity = 0"],
    )
    assert Ascent().equations()[0] == ["w' - w = change(g, w, e, k)"]


def test_the_same_rule_inherits_them() -> None:
    class Renamed(Adam):
        pass

    assert Renamed().equations() == Adam().equations()
    assert AdamW().equations()[0][:2] == Adam().equations()[0][:2]
