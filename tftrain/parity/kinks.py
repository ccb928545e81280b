"""Where a reference lies on kinks: whether its backward pass gives a subgradient at each of them.

On a kink the slopes on both sides differ, and every subgradient of an output that has one kink, or
only convex ones, lies between them. That must hold for each output and each input by itself: in a
sum, the room between the slopes of some kinks would hide an error at another.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

import numpy as np

from tftrain.parity.complex_step import LOOSE, PRECISION, TIGHT, Line, Point, as_float64
from tftrain.streams import Purpose, stream
from tftrain.traces import is_discrete

NEARBY = 0.05, 0.1
"""Least and largest distance of the point nearby, relative to the values."""

NEGLIGIBLE = 1e-6
"""Size of a value, relative to the mean, up to which it counts as zero."""

ONE_SIDED_STEP = 1e-7

LARGER = 10
"""Factor of a second step: with it, the slopes on both sides of a kink differ as before; where a
function is curved, so many times more."""

MOST_OUTPUTS = 2048
"""Outputs with a kink that are looked at one by one, at most."""

MOST_LOOKS = 10_000
"""Groups of inputs in which kinks are sought, at most."""

RANDOM = 8
"""Random directions of either kind among inputs on kinks."""

TRIALS = 32
"""Times that inputs are moved to see whether each changes its own output only."""


def moved_off(here: Point) -> Point:
    """Return a point nearby where no value is nearly zero and no two are equal."""
    rng = stream(0, Purpose.DIRECTIONS, 1)

    def moved(value: np.ndarray) -> np.ndarray:
        mean = np.sqrt(np.sum(value**2) / max(value.size, 1)) or 1.0
        size = np.where(np.abs(value) <= NEGLIGIBLE * mean, mean, np.abs(value))
        sign = rng.choice([-1.0, 1.0], value.shape)
        return as_float64(value + sign * rng.uniform(*NEARBY, value.shape) * size)

    inputs = [one if is_discrete(one) else moved(one) for one in here.inputs]
    return Point(here.name, here.reference.with_parameters(moved), inputs, here.dy)


def gradient_fits(here: Point) -> bool:
    """Return whether the gradient is right off the kinks, and a subgradient on each.

    False also where there are too many to look at each.
    """
    bent = _has_kink(Line(here, here.direction))
    straight = here.with_delta(np.where(bent, 0.0, here.dy))
    if not Line(straight, straight.direction).is_exact():
        return False
    kinked = here.with_delta(np.where(bent, here.dy, 0.0))
    if _is_elementwise(kinked) and _each_fits(kinked):
        return True
    places, looks = np.flatnonzero(bent), iter(range(MOST_LOOKS))
    return len(places) <= MOST_OUTPUTS and all(
        _fits(_alone(here, k), looks) for k in places.tolist()
    )


def _alone(here: Point, place: int) -> Point:
    """Return the point with a delta at one output only."""
    dy = np.zeros(here.dy.shape)
    dy.flat[place] = here.dy.flat[place]
    return here.with_delta(dy)


def _fits(here: Point, looks: Iterator[int]) -> bool:
    """Return whether the gradient of a single output lies between the slopes on both sides.

    It must along a random direction and along one in which no two parts of the derivative cancel.
    Mostly it then equals the slope on one side, or the mean of both. Elsewhere it must also lie
    between them along each input that has a kink, and along several of these together: a maximum of
    equals, for instance, passes on a whole delta in all.
    """
    random = here.direction
    aligned = np.where(here.gradient < 0, -1.0, 1.0) * np.abs(random)
    positions = [_position(Line(here, direction)) for direction in (random, aligned)]
    if Position.OUTSIDE in positions:
        return False
    if Position.BETWEEN not in positions:
        return True
    kinked = _inputs_on_kinks(here, looks)
    return kinked is not None and all(
        _position(Line(here, direction)) is not Position.OUTSIDE
        for direction in _directions(here, kinked)
    )


def _inputs_on_kinks(here: Point, looks: Iterator[int]) -> list[int] | None:
    """Return the inputs and parameters along which the output has a kink.

    They are found by bisection: a group along which both passes agree has none.

    Returns:
        Their numbers; None where the looks do not suffice.
    """
    random = here.direction
    groups, found = [np.flatnonzero(here.moves)], list[int]()
    for _ in looks:
        if not groups:
            return found
        group = groups.pop()
        direction = np.zeros(random.shape)
        direction[group] = random[group]
        line = Line(here, direction)
        if _has_kink(line).any() or not line.is_exact():
            if len(group) == 1:
                found.append(int(group[0]))
            else:
                groups += np.array_split(group, 2)
    return None


def _directions(here: Point, kinked: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield directions along each of these inputs, along all together, and some at random."""
    rng = stream(0, Purpose.DIRECTIONS, 3)
    moves = [*np.eye(len(kinked)), np.ones(len(kinked))]
    moves += [np.abs(rng.standard_normal(len(kinked))) for _ in range(RANDOM)]
    moves += [rng.standard_normal(len(kinked)) for _ in range(RANDOM)]
    for move in moves:
        direction = np.zeros(here.moves.size)
        direction[list(kinked)] = move
        yield direction


def _each_fits(here: Point) -> bool:
    """Return whether the gradient fits, where each output depends on its own input only."""
    (x,) = here.inputs
    inputs = np.arange(here.moves.size) < x.size
    if not Line(here, np.where(inputs, 0.0, here.direction)).is_exact():
        return False
    low, high, noise = _slopes(Line(here, 1.0 * inputs))
    slope = here.gradient[inputs].reshape(x.shape)
    room = LOOSE * np.abs(slope) + noise
    return bool(np.all((low - room <= slope) & (slope <= high + room)))


def _is_elementwise(here: Point) -> bool:
    """Return whether each output depends on the input in its place, and on no other."""
    still, x = here.output(np.zeros(here.moves.size)), here.inputs[0]
    if len(here.inputs) > 1 or is_discrete(x) or still.shape != x.shape:
        return False
    rng, direction = stream(0, Purpose.DIRECTIONS, 2), here.direction
    for _ in range(TRIALS):
        chosen = rng.random(x.shape) < 0.5
        move = np.zeros(direction.shape)
        move[: x.size] = np.where(chosen.ravel(), direction[: x.size], 0.0)
        if not np.array_equal(here.output(move)[~chosen], still[~chosen], equal_nan=True):
            return False
    return True


class Position(Enum):
    """Where the derivative along a line is, beside the slopes on both sides."""

    OUTSIDE = 0
    BETWEEN = 1
    AT_END = 2  # as large as one of them, or as the mean of both


def _position(line: Line) -> Position:
    low, high, noise = map(np.sum, _slopes(line))
    room = LOOSE * line.size + noise
    if not low - room <= line.backward <= high + room:
        return Position.OUTSIDE
    room = TIGHT * line.size + noise
    ends = (low, high, (low + high) / 2)
    return (
        Position.AT_END
        if any(abs(line.backward - end) <= room for end in ends)
        else Position.BETWEEN
    )


def _has_kink(line: Line) -> np.ndarray:
    """Return which outputs have a kink along a line."""
    low, high, noise = _slopes(line)
    wider = _slopes(line, LARGER * ONE_SIDED_STEP)
    apart = high - low
    return np.asarray((apart > 2 * noise) & (apart > (wider[1] - wider[0]) / 2))


def _slopes(line: Line, step: float = ONE_SIDED_STEP) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the smaller and the larger one-sided slope of each output, and their rounding."""
    with np.errstate(all="ignore"):
        up, here, down = (line.point.dy * line.output(t) for t in (step, 0.0, -step))
        ends = (up - here) / step, (here - down) / step
        return np.minimum(*ends), np.maximum(*ends), 4 * PRECISION.roundoff * np.abs(here) / step
