"""What a gradient check found, as an object, a table and JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from tftrain.parity.check import END_TO_END, EVIDENCE, RATE, Check
from tftrain.terminal import rendered


@dataclass(frozen=True)
class Report:
    """The checks of one or several networks.

    Attributes:
        checks: every comparison that was made.
        figures: what is worth knowing but decides nothing, by name.
        notes: sentences to read with the verdict.
        all_zero: whether every gradient was zero, in one mode at least.
    """

    checks: Sequence[Check]
    figures: dict[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    all_zero: bool = False

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return not self.failures

    @property
    def failures(self) -> list[Check]:
        """The checks that do not hold."""
        return [check for check in self.checks if not check.ok]

    @property
    def worst(self) -> Check:
        """The check whose error is the largest part of its bound."""
        return max(self.checks, key=lambda check: check.ratio)

    @property
    def certified(self) -> bool:
        """Whether every check holds by a computed bound, and none by evidence alone."""
        return self.ok and not any(check.kind == EVIDENCE for check in self.checks)

    def __add__(self, other: "Report") -> "Report":
        return Report(
            [*self.checks, *other.checks],
            {**self.figures, **other.figures},
            list(dict.fromkeys([*self.notes, *other.notes])),
            self.all_zero or other.all_zero,
        )

    @property
    def verdict(self) -> str:
        """One line: proven, or which gradient is wrong."""
        if failures := self.failures:
            # Below a wrong node, gradients from end to end are wrong as well.
            causes = [check for check in failures if check.kind != END_TO_END] or failures
            wrong = list(dict.fromkeys(check.where for check in causes))
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            first = [check for check in causes if check.where == causes[0].where]
            worst = max(first, key=lambda check: check.ratio)
            return f"WRONG: {'; '.join(wrong[:3])}{more}. {worst}"
        modes = ", ".join(dict.fromkeys(c.mode for c in self.checks if c.mode != "numpy"))
        dtypes = ", ".join(dict.fromkeys(c.dtype for c in self.checks if c.mode != "numpy"))
        unsure = sum(check.unsure for check in self.checks)
        words = "proven" if self.certified else "no fault found (by evidence, not all is proven)"
        words += f", but for {unsure} elements that overflow leaves undetermined" if unsure else ""
        return (
            f"{words}: {len(self.checks)} checks ({modes}; {dtypes}), the largest error is "
            f"{self.worst.ratio:.2f} of its bound ({self.worst.where}){self._updates}"
        )

    @property
    def _updates(self) -> str:
        """The updates and learning rates that were checked, as the end of a sentence."""
        seen = {
            (check.quantity == RATE, check.step + 1)
            for check in self.checks
            if check.step is not None
        }
        updates, rates = (
            sorted(n for rate, n in seen if rate == wanted) for wanted in (False, True)
        )
        words = f"; updates checked: {_listed(updates)}" if updates else ""
        if rates:
            span = f"of steps {rates[0]:,} to {rates[-1]:,}"
            words += f"; learning rates checked: {len(rates):,}, {span}"
        return words

    def rows(self) -> list[Check]:
        """Return the worst check of each node, quantity and dtype, over modes and repetitions."""
        worst: dict[tuple[str, str, str], Check] = {}
        for check in self.checks:
            key = (check.dtype, check.node, check.quantity)
            if key not in worst or check.ratio > worst[key].ratio:
                worst[key] = check
        nodes = list(dict.fromkeys(check.node for check in self.checks))
        return sorted(worst.values(), key=lambda check: nodes.index(check.node))

    def table(self) -> str:
        """Return the table of rows as text, one table for each dtype."""
        rows = self.rows()
        return "\n".join(
            _table(dtype, [row for row in rows if row.dtype == dtype])
            for dtype in dict.fromkeys(row.dtype for row in rows)
        )

    def __str__(self) -> str:
        figures = [f"{name}: {value:.3g}" for name, value in self.figures.items()]
        return "\n".join([self.table(), *figures, *self.notes, self.verdict])

    def to_json(self) -> dict[str, Any]:
        """Return verdict, figures and every check as plain values (infinite ones as text)."""
        plain = [
            {name: _plain(value) for name, value in {**asdict(check), "ok": check.ok}.items()}
            for check in self.checks
        ]
        return {
            "ok": self.ok,
            "certified": self.certified,
            "verdict": self.verdict,
            "figures": {name: _plain(value) for name, value in self.figures.items()},
            "notes": list(self.notes),
            "checks": plain,
        }

    def to_json_text(self) -> str:
        """Return `to_json()` as text."""
        return json.dumps(self.to_json(), indent=1, allow_nan=False)


def _listed(numbers: Sequence[int]) -> str:
    """Return numbers as text: of many, the first and the last."""
    shown = [f"{n:,}" for n in numbers]
    if len(shown) > MOST_LISTED:
        half = MOST_LISTED // 2
        shown = [*shown[:half], f"({len(shown) - 2 * half:,} more)", *shown[-half:]]
    return ", ".join(shown)


MOST_LISTED = 24


def _table(dtype: str, rows: Sequence[Check]) -> str:
    table = Table(title=dtype, title_justify="left")
    table.add_column("node")
    table.add_column("quantity")
    for heading in ("error", "bound", "error / bound"):
        table.add_column(heading, justify="right")
    table.add_column("worst in")
    table.add_column("verdict")
    last = ""
    for row in rows:
        good = "evidence" if row.kind == EVIDENCE else "proven"
        table.add_row(
            Text("" if row.node == last else row.node),
            Text(row.quantity),
            f"{row.error:.2e}",
            f"{row.bound:.2e}",
            f"{row.ratio:.3f}" if row.ratio < 1000 else f"{row.ratio:.1e}",
            row.mode,
            good if row.ok else "WRONG",
        )
        last = row.node
    return rendered(table)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
