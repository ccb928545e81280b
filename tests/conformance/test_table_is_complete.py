"""Whatever can be chosen by name stands in the table."""

import tensorflow as tf

from tests.support.table import LAYERS, LOSSES, OPTIMIZERS
from tftrain import losses, nn, optimizers, reference


def test_every_layer_class_has_a_row() -> None:
    exported = [getattr(nn, name) for name in nn.__all__]
    layers = {one for one in exported if isinstance(one, type) and issubclass(one, tf.Module)}
    made = [row.make("float32") for row in LAYERS]
    nodes = [wire.node for one in made for wire in nn.wires(one)]
    assert layers == {type(one) for one in (*made, *nodes)}


def test_every_activation_has_a_row() -> None:
    made = [row.make("float32") for row in LAYERS]
    assert set(nn.ACTIVATIONS) == {m.function for m in made if isinstance(m, nn.Activation)}


def test_every_initializer_has_a_row() -> None:
    assert set(nn.INITIALIZERS) == {row.initializer for row in LAYERS if row.initializer}


def test_every_loss_has_a_row() -> None:
    assert set(losses.LOSSES.values()) == {type(row.make()) for row in LOSSES}


def test_every_optimizer_has_a_row() -> None:
    assert set(optimizers.OPTIMIZERS.values()) == {type(row.make()) for row in OPTIMIZERS}


def test_every_schedule_has_a_row() -> None:
    def subclasses(of: type) -> set[type]:
        direct = {one for one in of.__subclasses__() if one.__module__.startswith("tftrain.")}
        return direct.union(*(subclasses(one) for one in direct))

    assert subclasses(optimizers.Schedule) <= {type(row.make().schedule) for row in OPTIMIZERS}


def test_the_reference_has_the_same_names_and_defaults() -> None:
    for ours, theirs in (
        (losses.LOSSES, reference.losses.LOSSES),
        (optimizers.OPTIMIZERS, reference.optimizers.OPTIMIZERS),
    ):
        assert set(ours) == set(theirs)
        for name, make in ours.items():
            assert reference.reference_of(make()) == theirs[name]()


def test_every_optimizer_writes_out_its_equations() -> None:
    general = reference.Optimizer.equations
    for kind in reference.optimizers.OPTIMIZERS.values():
        assert kind.equations is not general, f"{kind.__name__}: write a method `equations`"
        assert any(equation.startswith("w' = w ") for equation in kind().equations()[0])


def test_names_of_rows_are_unique() -> None:
    for rows in (LAYERS, LOSSES, OPTIMIZERS):
        names = [row.name for row in rows]
        assert len(set(names)) == len(names)
