"""The figures as a page: tables, goals and plots."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from scripts.bench.goals import GOALS, OURS
from scripts.bench.workloads import SMALL

Figures = dict[str, Any]

ALMOST_ALL = 0.9
"""Of the rate of matrix products that training should reach."""

FEATURES_COST = 1.05
"""Time with all features over that of the bare engine, at most."""

WHOLE_PROCESS = 1.2
"""Time of a short training from the shell over that of importing TensorFlow, at most."""

INTRODUCTION = """# Benchmarks

`make bench` measures all of this anew (about an hour) and writes this page. Every library does the
same work: the same data, initial weights, batch size and update, in float32 unless its name says
bfloat16. Before anything is timed, each must arrive at our loss after the first epochs, in the
order of the table; what is timed shuffles. Each runs in a process of its own; they take turns, and
the medians count. Compilation is left out. tftrain runs in the mode that `compile: auto` takes in a
long training, without validation, log or checkpoints: what these cost has a section of its own.
Keras and scikit-learn look through the table in every call of their `fit`, which is timed. bfloat16
is measured where the processor multiplies it by itself.
"""


def write(found: Figures, folder: Path) -> None:
    """Write benchmarks.md, and the plots where their figures are there."""
    sections = [INTRODUCTION, _measured(found["measured"])]
    training = [one for name in found if name.startswith("training") for one in found[name]]
    known = {**found, **({"training": training} if training else {})}
    for name, section in SECTIONS.items():
        if name in known:
            sections.append(section(known[name], folder))
    (folder / "benchmarks.md").write_text("\n".join(sections), encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _measured(found: dict[str, str]) -> str:
    """Return where each part was measured; those of the same circumstances together."""
    together: dict[str, list[str]] = {}
    for part, circumstances in found.items():
        together.setdefault(circumstances, []).append(part)
    lines = [f"- {where}: {', '.join(names)}" for where, names in together.items()]
    return "\n".join(["Measured at:\n", *lines, ""])


def _peers(found: list[Figures], folder: Path) -> str:
    tasks: dict[tuple[str, str], dict[str, Figures]] = {}
    for one in found:
        tasks.setdefault((one["workload"], one["optimizer"]), {})[one["library"]] = one
    parts = ["## Training\n"]
    for (workload, optimizer), libraries in tasks.items():
        ours = libraries[OURS]
        head = f"### {workload}, {optimizer}: {ours['rows']:,} rows, batches of {ours['batch']:,}\n"
        rows = [
            [
                name,
                f"{statistics.median(one['rates']):,.0f}",
                f"{_ratio(ours, one):.2f}",
                f"{one['loss']:.6g}",
            ]
            for name, one in libraries.items()
        ]
        columns = ["library", "rows per second", "tftrain is faster by", "loss checked"]
        parts += [head, table(columns, rows)]
    _plot_peers(tasks, folder / "benchmarks.png")
    parts += ["![tftrain's rate over that of each library](benchmarks.png)\n"]
    return "\n".join([*parts, "### Goals\n", _goals(tasks)])


def _ratio(ours: Figures, theirs: Figures) -> float:
    return statistics.median(a / b for a, b in zip(ours["rates"], theirs["rates"], strict=True))


def _goals(tasks: dict[tuple[str, str], dict[str, Figures]]) -> str:
    rows = []
    for goal in GOALS:
        for optimizer in ("sgd", "adam"):
            libraries = tasks.get((goal.work.name, optimizer), {})
            if goal.faster not in libraries or goal.than not in libraries:
                continue
            reached = _ratio(libraries[goal.faster], libraries[goal.than])
            rows.append(
                [
                    f"{goal.work.name}, {optimizer}: {goal.faster} over {goal.than}",
                    f"{goal.ratio:g}",
                    f"{reached:.2f}",
                    _met(reached >= goal.ratio),
                ]
            )
    return table(["goal", "at least", "reached", ""], rows)


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _products(found: Figures, folder: Path) -> str:
    shares = {name: found[name] / found["product"] for name in ("sgd", "adam")}
    reached = " and ".join(
        f"{share:.0%} of it with {name} ({_met(share >= ALMOST_ALL)})"
        for name, share in shares.items()
    )
    return (
        "## The rate of the processor\n\n"
        f"A float32 matrix product (1024 each way, NumPy) runs at {found['product'] / 1e9:.0f} "
        "GFLOP/s. Training 512-1024-1024-1024-1 reaches, in its matrix products alone, "
        f"{reached}; the goal is {ALMOST_ALL:.0%}.\n"
    )


def _features(found: list[Figures], folder: Path) -> str:
    rows = [
        [
            one["workload"],
            f"{one['seconds'] * 1e3:,.3g}",
            *(f"{one[name]:.3f}" for name in ("saved", "validated", "all")),
            "" if one["workload"].startswith(SMALL.name) else _met(one["all"] <= FEATURES_COST),
        ]
        for one in found
    ]
    head = ["time over that of the bare engine", "ms of an epoch", "saved", "validated", "all"]
    return (
        "## What features cost\n\n"
        "`saved`: a checkpoint after each epoch. `validated`: loss and metrics on a tenth of the "
        "rows after each epoch, and early stopping with the best weights kept. `all`: both, a "
        "metrics log and progress. On the smallest network an epoch is over long before a "
        "checkpoint is written: there, as is the default, one belongs after so many seconds.\n\n"
        + table([*head, f"goal: {FEATURES_COST:g}"], rows)
    )


def _processes(found: Figures, folder: Path) -> str:
    whole = found["import tensorflow"]
    ratio = found["train diabetes"] / whole
    return (
        "## From the shell\n\n"
        f"`tftrain train configs/diabetes.yaml`, the whole process: {found['train diabetes']:.2f} "
        f'seconds, {ratio:.2f} times as long as `python -c "import tensorflow"` with {whole:.2f} '
        f"(goal: {WHOLE_PROCESS:g}, {_met(ratio <= WHOLE_PROCESS)}). The command leaves out "
        f"Keras, without which the import alone takes {found['import without Keras']:.2f}.\n"
    )


def _memory(found: Figures, folder: Path) -> str:
    return (
        "## Memory\n\n"
        "`fit` on 10,000,000 rows of 20 float32 features and a target, "
        f"{found['table'] / 1e6:,.0f} MB that are the caller's: the peak of the process rises by "
        f"{found['more'] / 1e6:,.0f} MB, {found['more'] / found['table']:.2f} times the table. "
        "TensorFlow's own copy is 1 of it; the orders of epochs are the rest.\n"
    )


def _scaling(found: list[Figures], folder: Path) -> str:
    rows = [
        [
            f"32-{one['width']}-{one['width']}-1" if one["curve"] == "width" else "20-64-1",
            f"{one['rows']:,}",
            f"{one['seconds per row'] * 1e9:,.0f}",
            f"{one['operations'] / one['seconds per row'] / 1e9:,.1f}",
        ]
        for one in found
    ]
    _plot_scaling(found, folder / "scaling.png")
    head = ["network", "rows", "nanoseconds per row", "GFLOP/s"]
    return (
        "## Scaling\n\n" + table(head, rows) + "\n![time per row by width and rows](scaling.png)\n"
    )


def _plot_peers(tasks: dict[tuple[str, str], dict[str, Figures]], path: Path) -> None:
    figure, axes = plt.subplots(1, len(tasks), figsize=(2.6 * len(tasks), 4), sharey=True)
    for axis, ((workload, optimizer), libraries) in zip(axes, tasks.items(), strict=True):
        names = [name for name in libraries if name != OURS][::-1]
        ratios = [_ratio(libraries[OURS], libraries[name]) for name in names]
        axis.barh(names, ratios)
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.set_title(f"{workload}\n{optimizer}", fontsize=8)
    figure.supxlabel("tftrain is faster by")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _plot_scaling(found: list[Figures], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.5))
    for axis, curve in zip(axes, ("width", "rows"), strict=True):
        own = [one for one in found if one["curve"] == curve]
        seconds = [one["seconds per row"] * 1e9 for one in own]
        axis.loglog([one[curve] for one in own], seconds, marker="o")
        axis.set_xlabel(curve)
        axis.set_ylabel("nanoseconds per row")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


SECTIONS: dict[str, Callable[[Any, Path], str]] = {
    "training": _peers,
    "products": _products,
    "features": _features,
    "processes": _processes,
    "memory": _memory,
    "scaling": _scaling,
}
