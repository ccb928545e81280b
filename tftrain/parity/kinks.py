"""Where a reference lies on kinks: whether its backward pass gives a subgradient at each of them.

On a kink the slopes on both sides differ, and every subgradient of an output that has one kink, or
only convex ones, lies between them. That must hold for each output and each input by itself: in a
sum, the room between the slopes of some kinks would hide an error at another.
"""

from collections.abc import Iterator

import numpy as np

from tftrain.parity.complex_step import LOOSE, PRECISION, TIGHT, Line, Point, as_float64, proves
from tftrain.streams import Purpose, stream
from tftrain.traces import is_discrete

NEARBY = 0.05, 0.1
"""Least and largest distance of the point nearby, relative to the values."""

NEGLIGIBLE = 1e-6
"""Size of a value, relative to the mean, up to which it counts as zero."""

ONE_SIDED_STEP = 1e-7

BENT = 1e-6
"""Difference of the slopes on both sides, relative to them, above which an output has a kink."""

MOST_OUTPUTS = 2048
"""Outputs with a kink that are looked at one by one, at most."""

MOST_LOOKS = 10_000
"""Groups of inputs in which kinks are sought, at most."""

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
    bent = _has_kink(Line(here, here.direction()))
    straight = here.with_delta(np.where(bent, 0.0, here.dy))
    if not proves(Line(straight, straight.direction()).checked()):
        return False
    kinked = here.with_delta(np.where(bent, here.dy, 0.0))
    if _is_elementwise(kinked) and _fits_each(kinked):
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

    It must along a random direction, along one in which no two parts of the derivative cancel, and
    along each input that has a kink; unless along the first two it is as large as the slope on one
    side, or as the mean of both, and so leaves no room for an error.
    """
    random = here.direction()
    aligned = np.where(here.gradient < 0, -1.0, 1.0) * np.abs(random)
    lines = Line(here, random), Line(here, aligned)
    if not all(_is_between(line) for line in lines):
        return False
    return all(_is_at_end(line) for line in lines) or _fits_along_each(here, looks)


def _fits_along_each(here: Point, looks: Iterator[int]) -> bool:
    """Return whether the gradient lies between the slopes along each input and parameter.

    Those with a kink are found by bisection: a group along which both passes agree has none. False
    also where the looks do not suffice.
    """
    random = here.direction()
    groups = [np.flatnonzero(here.moves)]
    for _ in looks:
        if not groups:
            return True
        group = groups.pop()
        direction = np.zeros(random.shape)
        direction[group] = random[group]
        line = Line(here, direction)
        if len(group) == 1 and not _is_between(line):
            return False
        if len(group) > 1 and (_has_kink(line).any() or not line.is_exact()):
            groups += np.array_split(group, 2)
    return False


def _fits_each(here: Point) -> bool:
    """Return whether the gradient fits, where each output depends on its own input only."""
    (x,) = here.inputs
    inputs = np.arange(here.moves.size) < x.size
    if not Line(here, np.where(inputs, 0.0, here.direction())).is_exact():
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
    rng, direction = stream(0, Purpose.DIRECTIONS, 2), here.direction()
    for _ in range(TRIALS):
        chosen = rng.random(x.shape) < 0.5
        move = np.zeros(direction.shape)
        move[: x.size] = np.where(chosen.ravel(), direction[: x.size], 0.0)
        if not np.array_equal(here.output(move)[~chosen], still[~chosen], equal_nan=True):
            return False
    return True


def _is_between(line: Line) -> bool:
    """Return whether the derivative along a line is between the slopes on both sides."""
    low, high, noise = map(np.sum, _slopes(line))
    room = LOOSE * line.size + noise
    return bool(low - room <= line.backward <= high + room)


def _is_at_end(line: Line) -> bool:
    """Return whether it is as large as one of them, or as their mean."""
    low, high, noise = map(np.sum, _slopes(line))
    room = TIGHT * line.size + noise
    return any(abs(line.backward - end) <= room for end in (low, high, (low + high) / 2))


def _has_kink(line: Line) -> np.ndarray:
    """Return which outputs have a kink along a line."""
    low, high, noise = _slopes(line)
    return np.asarray(high - low > BENT * np.abs(low + high) + 2 * noise)


def _slopes(line: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the smaller and the larger one-sided slope of each output, and their rounding."""
    step = ONE_SIDED_STEP
    with np.errstate(all="ignore"):
        up, here, down = (line.point.dy * line.output(t) for t in (step, 0.0, -step))
        ends = (up - here) / step, (here - down) / step
        return np.minimum(*ends), np.maximum(*ends), 4 * PRECISION.roundoff * np.abs(here) / step
