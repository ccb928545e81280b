"""Metrics as a table for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from tftrain.errors import on_one_line
from tftrain.terminal import rendered, writable

METRICS = ("mse", "rmse", "mae", "r2")


def metrics_table(parts: Mapping[str, Any], targets: Sequence[str]) -> str:
    """Return the metrics of each part (train, validation, test ...) as text.

    Args:
        parts: metrics by part; what holds no metrics is passed over.
        targets: names of the targets; several get a line each below their mean.
    """
    table = Table(
        title=f"{', '.join(map(on_one_line, targets[:3]))}{' ...' if len(targets) > 3 else ''}: "
        "metrics in the target's own units",
        title_justify="left",
    )
    table.add_column("")
    for heading in ("rows", *METRICS):
        table.add_column(heading, justify="right")
    for name, metrics in parts.items():
        if not isinstance(metrics, Mapping) or "rmse" not in metrics:
            continue
        table.add_row(name, f"{metrics['rows']:,}", *_cells(metrics))
        for target, own in metrics.get("targets", {}).items():
            table.add_row(f"  {writable(on_one_line(target))}", "", *_cells(own))
    return rendered(table)


def _cells(metrics: Mapping[str, float | None]) -> list[str]:
    """Return metrics as text; a file of JSON has nothing for a number that is not finite."""
    return ["-" if metrics[name] is None else f"{metrics[name]:,.5g}" for name in METRICS]
