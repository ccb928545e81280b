"""Central differences of smooth and of kinked functions, with bounds on their errors.

Where `f` is smooth, Richardson's extrapolation makes central differences of `<dy, f(x + t v)>`
precise and estimates its own error (Ridders' tableau; Press et al., "Numerical recipes", section
5.7).

Where `f` has kinks, as relu and max have, extrapolation from steps across them goes astray. But a
convex combination of the slopes on both sides, which every subgradient is, differs from the central
difference by no more than half their difference: by half of

    |f(x + t v) - 2 f(x) + f(x - t v)| / t                                     (1)

for each output. So (1), summed over the outputs without regard to sign, bounds the error of the
difference at a kink at `x` itself, and of kinks within a step on one side; rounding is part of it.
Kinks on both sides may make up for each other, as where an output is constant but for a narrow
range: there the differences at smaller steps change more than (1) says.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

STEP, SHRINK, STEPS = 0.05, 1.6, 16
"""The first step along a direction, of the size of the values; the factor from one to the next."""


class Difference(NamedTuple):
    """A central difference at one step size.

    Attributes:
        claimed: the inner product of gradient and direction.
        slope: the central difference.
        size: of the terms of the slope.
        bend: as (1), over all outputs.
        noise: what rounding can do to the slope.
        likely: what rounding usually does, as its errors have both signs.
    """

    claimed: float
    slope: float
    size: float
    bend: float
    noise: float
    likely: float

    @property
    def bound(self) -> float:
        """How far the slope may be from any subgradient; twice what (1) says, for good measure."""
        return self.bend + 10 * self.noise


class Differences:
    """Central differences of `<dy, f>`, from the largest step to the smallest.

    Args:
        at: the outputs of `f` at a point along the direction.
        claimed: the inner product of gradient and direction, for a step size.
        dy: the delta at the outputs.
        roundoff: relative error of each output.
        flushed: what subnormal outputs that are flushed to zero may add.
        steps: how many, to begin with.

    Attributes:
        rows: the differences.
    """

    def __init__(
        self,
        at: Callable[[float], np.ndarray],
        claimed: Callable[[float], float],
        dy: np.ndarray,
        roundoff: float,
        flushed: float = 0.0,
        steps: int = STEPS,
    ) -> None:
        self._at, self._claimed, self._dy = at, claimed, dy
        self._here = at(0.0)
        self._lost = roundoff * float(np.sum(np.abs(dy * self._here))) + flushed
        self._likely = roundoff * float(np.linalg.norm(dy * self._here))
        self.rows = [self._with_step(STEP / SHRINK**k) for k in range(steps)]

    def _with_step(self, step: float) -> Difference:
        dy, up, down = self._dy, self._at(step), self._at(-step)
        slopes = dy * (up - down) / (2 * step)
        bend = float(np.sum(np.abs(dy * (up - 2 * self._here + down)))) / step
        slope, size = float(np.sum(slopes)), float(np.sum(np.abs(slopes)))
        noise, likely = self._lost / step, self._likely / step
        return Difference(self._claimed(step), slope, size, bend, noise, likely)

    def judged(self, noise: float) -> tuple[float, float, float]:
        """Return what is claimed, what differences say, and how far apart the two may be.

        Args:
            noise: what rounding may do to the claim.
        """
        rows = self.rows
        off, uncertain = extrapolated([r.slope - r.claimed for r in rows], [r.noise for r in rows])
        bound = 10 * uncertain + noise
        if abs(off) <= bound:
            return rows[0].claimed, rows[0].claimed + off, bound
        if kink := _on_kink(rows):
            return *kink[:2], SEVERAL * kink.bound + noise
        if found := _of_smooth(rows):
            off, uncertain = found
            return rows[0].claimed, rows[0].claimed + off, 10 * uncertain + noise
        claim, slope, bound = self._nearest()
        return claim, slope, bound + FINE * float(np.ptp([row.size for row in rows])) + noise

    def _nearest(self) -> tuple[float, float, float]:
        """Return the difference that is nearest to the claim, of those with the smallest bounds.

        The steps so far may be too large to resolve all kinks nearby, as where an output is
        constant outside a narrow range. So they become smaller until rounding hides the rest.
        """
        rows = self.rows
        while rows[-1].noise < rows[-1].size / 10 and len(rows) < MOST_STEPS:
            rows.append(self._with_step(STEP / SHRINK ** len(rows)))
        bounded = [(row, max(row.bound, _change_from(row, rows[k:]))) for k, row in enumerate(rows)]
        least = min(bound for _, bound in bounded)
        clear = [(row, bound) for row, bound in bounded if bound <= 2 * least] or bounded
        row, bound = min(clear, key=lambda one: abs(one[0].slope - one[0].claimed) / (one[1] or 1))
        return row.claimed, row.slope, bound


FINE = 1e-4
"""Pair of the change of the slopes, from step to step, below which nothing is compared."""

MOST_STEPS = 40
"""Differences at most: the last has a step of 5e-10."""


def _change_from(row: Difference, smaller: Sequence[Difference]) -> float:
    """Return how much the slope, or the bend, is larger at any smaller step."""
    changes = (max(abs(r.slope - row.slope) - r.bend, r.bend) - 10 * r.noise for r in smaller)
    return max(changes, default=0.0)


SEVERAL = 8
"""Factor on (1) at a point on a kink: an output may have several there, whose parts cancel."""


def _on_kink(rows: Sequence[Difference]) -> Difference | None:
    """Return the smallest difference across a kink on which the point itself lies, if any.

    There the slopes on both sides differ at every step; elsewhere they approach each other.
    """
    last = max((k for k, row in enumerate(rows) if row.bend > 100 * row.noise), default=0)
    before = min(rows[0].bend, rows[max(last - APART, 0)].bend)
    stays = all(row.bend > before / 2 for row in rows[last : last + 2])
    return rows[last] if last >= APART // 2 and stays else None


APART = 4
"""Steps over which the slopes on both sides are compared: there smooth ones come nearer by 85 %."""


def _of_smooth(rows: Sequence[Difference]) -> tuple[float, float] | None:
    """Return how far the slope is from the claim, where differences converge as if smooth.

    From one step to the next, the remaining error falls by `SHRINK ** 4`, down to rounding, and
    stays there. One extrapolation is enough, and more may agree by chance.

    Returns:
        The distance and its estimated error; None where they do not converge so.
    """
    factor = SHRINK**2
    off = [row.slope - row.claimed for row in rows]
    better = [(b * factor - a) / (factor - 1) for a, b in pairwise(off)]
    gaps = [abs(b - a) for a, b in pairwise(better)]
    seen = 0
    for (before, after), row in zip(pairwise(gaps), rows[2:], strict=False):
        floor = 10 * row.likely
        if not before > floor:
            break
        if after > max(before / 3, floor):
            return None
        seen += 1
    limit, row = better[seen], rows[seen + 1]
    left = zip(better[seen:], rows[seen + 1 :], strict=True)
    if seen < SEEN or any(abs(one - limit) > 10 * r.noise for one, r in left):
        return None
    return limit, max(gaps[seen], row.noise)


SEEN = 3
"""Times that the error must have fallen so before a function is taken for smooth."""


def extrapolated(slopes: Sequence[float], noises: Sequence[float]) -> tuple[float, float]:
    """Return the limit of central differences, and its estimated error.

    The error is the spread of the tableau's entries, or what the noise does to the differences at
    the step of the best one, whichever is larger.

    Args:
        slopes: differences at steps each of which is the one before over `SHRINK`.
        noises: what rounding can do to each.
    """
    best, uncertain = np.nan, np.inf
    row: list[float] = []
    for slope, noise in zip(slopes, noises, strict=True):
        last, row = row, [slope]
        factor = SHRINK**2
        for before in last:
            row.append((row[-1] * factor - before) / (factor - 1))
            factor *= SHRINK**2
            spread = max(abs(row[-1] - row[-2]), abs(row[-1] - before), noise)
            if spread <= uncertain:
                best, uncertain = row[-1], spread
    return best, uncertain
