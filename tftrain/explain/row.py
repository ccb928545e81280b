"""One training row, from its raw values to the certificate of the step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tftrain.errors import InputError
from tftrain.experiment.origin import require_data_of
from tftrain.experiment.prepare import Prepared
from tftrain.explain.lesson import Lesson, lesson_of
from tftrain.explain.network import network_text, output_name
from tftrain.explain.norms import by_norms
from tftrain.explain.text import ROUNDED, counted, unbroken, wrapped
from tftrain.explain.units import unit_by_unit
from tftrain.graph import leaves
from tftrain.reference.expression import shown
from tftrain.runs import Run

SHOWN_COLUMNS = 8
"""Number of inputs that are named of a large network."""


def explain(prepared: Prepared, *, row: int = 1, run: Run | None = None) -> str:
    """Explain what one training row does to a network: forwards, backwards, and one update.

    Args:
        prepared: the config and its table.
        row: number of the row among the training rows, counted from 1.
        run: takes the weights of this trained run in place of the initial ones.

    Raises:
        InputError: there is no such row, the run's weights cannot be read, or the table is another
            one than the run was trained on.
    """
    if run is not None:
        require_data_of(run, prepared)
    rows = len(prepared.split.train)
    if not 1 <= row <= rows:
        raise InputError(
            f"there is no row {row:,}: the config puts {counted(rows, 'row')} into training, so "
            f"give a row from 1 to {rows:,}"
        )
    lesson = lesson_of(prepared, row - 1, run)
    parts = [_headline(prepared, row, run), network_text(lesson), _row_text(prepared, row, lesson)]
    parts += unit_by_unit(lesson) if lesson.small else by_norms(lesson)
    return "\n\n".join([*parts, _verdict(lesson)])


def _headline(prepared: Prepared, row: int, run: Run | None) -> str:
    rows = len(prepared.split.train)
    place = int(prepared.frame.index[prepared.split.train[row - 1]]) + 1
    all_rows = counted(rows, "training row")
    state = "with its initial weights" if run is None else "as trained"
    return wrapped(
        f"{prepared.config.name}, {state}, on row {row:,} of its {all_rows} (row "
        f"{place:,} of the table): one step on it alone. {ROUNDED}"
    )


def _row_text(prepared: Prepared, row: int, lesson: Lesson) -> str:
    """Return the raw values of a row, and what the network gets."""
    i = prepared.split.train[row - 1]
    plan, (numbers, *codes) = prepared.plan, leaves(lesson.tensorflow.x)
    x, t = numbers[0], lesson.tensorflow.target[0]
    first = output_name(-1) if codes else output_name(0)
    raw = {column.name: prepared.frame[column.name].iloc[i] for column in plan.columns}
    raw.update(zip(plan.target.names, prepared.targets[i], strict=True))
    taken = [f"{first}[{k + 1}] = {shown(v)} ({plan.names[k]})" for k, v in enumerate(x)]
    taken += [
        f"{output_name(-k)} = {code[0]} (code of {feature.column.name})"
        for k, (code, feature) in enumerate(zip(codes, plan.embedded, strict=True), 2)
    ]
    goals = [f"t[{j + 1}] = {shown(v)}" for j, v in enumerate(t)]
    same = [_raw(value) for value in raw.values()] == [shown(v) for v in [*x, *t]] and not codes
    lines = [
        "THE ROW" + (": the network takes it as it is" if same else ", raw and as preprocessed")
    ]
    few = None if lesson.small else SHOWN_COLUMNS
    if not same:
        lines.append(_listed([f"{name} = {_raw(v)}" for name, v in raw.items()], few))
    lines += [_listed(taken, few), _listed(goals, few)]
    if lesson.tensorflow.weight is not None:
        weight = shown(lesson.tensorflow.weight[0])
        lines.append(f"  w = {weight}, the weight of the row over the mean of the training rows")
    return "\n".join(lines)


def _raw(value: Any) -> str:
    if pd.isna(value):
        return "missing"
    if isinstance(value, str):
        return repr(value)
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return shown(value) if number else str(value)


def _listed(items: Sequence[str], few: int | None) -> str:
    more = [] if few is None or len(items) <= few else [f"and {len(items) - few:,} more"]
    return wrapped(", ".join(map(unbroken, [*items[:few], *more])), 2)


def _verdict(lesson: Lesson) -> str:
    return "\n".join(
        [
            wrapped(f"CERTIFICATE: {lesson.report.verdict}"),
            wrapped(
                "From end to end, TensorFlow's gradient differs from that of NumPy in float64 by "
                f"{lesson.distance:.2g} of its norm."
            ),
        ]
    )
