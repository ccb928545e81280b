"""Check random networks, and count false alarms: all of them are right, so none may be found wrong.

    python -m scripts.proof.random_networks --networks 10000 --processes 2
    python -m scripts.proof.random_networks --networks 5000 --strangers
    python -m scripts.proof.random_networks --networks 10000 --graphs

Prints the largest error over bound, and how the bounds compare with the gradients they belong to.
With `--strangers`, most layers are unknown to the reference, and each network is checked once more
with a fault in one of them, which must be found. With `--graphs`, networks fork, share layers, drop
and normalize.
"""

import argparse
import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from multiprocessing import get_context

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np

from tests.support.networks import EXTREME, FAULTS, Case, draw, draw_graph, draw_strangers
from tftrain.parity import Report
from tftrain.parity.check import EVIDENCE


@dataclass(frozen=True)
class Result:
    """What one case gives.

    Attributes:
        case: the network, batch and step.
        failures: what was found wrong in it, as text; there should be nothing.
        ratio: the largest error over its bound, among what is proven.
        where: the place of that error.
        checks: their number.
        unsure: number of elements undetermined by overflow.
        bounds: of the gradients of weights and biases, over the largest element.
        fault: what was planted afterwards, if it shows.
        outcome: caught, missed, or said: the report says that such an error could pass.
    """

    case: Case
    failures: list[str]
    ratio: float
    where: str
    checks: int
    unsure: int
    bounds: list[float]
    fault: str | None = None
    outcome: str = ""


def check(seed: int) -> Result:
    """Return the result of a seed."""
    case = draw(seed)
    return _result(case, case.report())


def check_graph(seed: int) -> Result:
    """Return the result of a seed whose network is a graph."""
    case = draw_graph(seed)
    return _result(case, case.report())


def check_strangers(seed: int) -> Result:
    """Return the result of a seed whose network has strangers, and perhaps a fault."""
    case, fault = draw_strangers(seed)
    result = _result(case, case.report())
    if not case.shows(fault):
        return result
    report = case.report(fault)
    outcome = "missed" if report.ok else "caught"
    if report.ok and any("could pass" in note for note in report.notes):
        outcome = "said"
    return replace(result, fault=fault[1], outcome=outcome)


def _result(case: Case, report: Report) -> Result:
    proven = [c for c in report.checks if c.kind != EVIDENCE]
    worst = max(proven, key=lambda c: c.ratio, default=report.worst)
    return Result(
        case,
        failures=[str(failure) for failure in report.failures],
        ratio=worst.ratio,
        where=f"{worst.where}",
        checks=len(report.checks),
        unsure=sum(c.unsure for c in report.checks),
        bounds=[
            c.relative_bound for c in proven if c.quantity in ("weight", "bias") and not c.unsure
        ],
    )


class Tally:
    """Counts over all results."""

    def __init__(self) -> None:
        self.networks = self.checks = self.unsure = self.alarms = 0
        self.most = (0.0, "")
        self.drawn: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, bool, str]] = Counter()
        self.bounds: dict[str, list[float]] = {"float32": [], "float64": []}

    def add(self, result: Result) -> None:
        """Add one, and print it if it is a false alarm or a fault that was not found."""
        case = result.case
        self.networks += 1
        self.drawn.update([case.dtype, case.mode, case.inputs, *case.kinds])
        self.checks, self.unsure = self.checks + result.checks, self.unsure + result.unsure
        self.bounds[case.dtype] += result.bounds
        place = f"{result.where}, {case.mode}, {case.dtype}, seed {case.seed}"
        self.most = max(self.most, (result.ratio, place))
        if result.failures:
            self.alarms += 1
            print(f"FALSE ALARM, seed {case.seed}: {result.failures[0]}\n  {case}", flush=True)
        if result.fault:
            self.outcomes[result.fault, case.inputs in EXTREME, result.outcome] += 1
        if result.outcome == "missed":
            print(f"MISSED, seed {case.seed}: {result.fault}\n  {case}", flush=True)

    def print(self) -> None:
        """Print all that was counted."""
        print(f"{self.networks} networks, {self.checks} checks, {self.alarms} false alarms")
        print("largest error over bound, of what is proven: {:.3f} ({})".format(*self.most))
        print(f"elements undetermined by overflow: {self.unsure}")
        print("drawn:", dict(self.drawn))
        for dtype, found in self.bounds.items():
            found = [value for value in found if value > 0]
            points = np.percentile(found, [5, 50, 95, 100]) if found else ()
            text = ", ".join(f"{p:.1e}" for p in points)
            print(f"{dtype}: bound over gradient, 5th, 50th, 95th percentile and largest: {text}")
        for fault, extreme in sorted({key[:2] for key in self.outcomes}):
            counts = {o: self.outcomes[fault, extreme, o] for o in ("caught", "said", "missed")}
            inputs = "extreme" if extreme else "ordinary"
            print(f"{FAULTS[fault]}, on {inputs} inputs: {sum(counts.values())} planted, {counts}")


def main() -> None:
    """Run the cases and print the counts."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first network")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument(
        "--strangers", action="store_true", help="draw unknown layers, plant faults"
    )
    parser.add_argument("--graphs", action="store_true", help="draw networks that are graphs")
    options = parser.parse_args()
    began = time.monotonic()
    tally = Tally()
    checked = check_graph if options.graphs else check_strangers if options.strangers else check
    context = get_context("spawn")
    # A process is replaced after ten chunks: TensorFlow keeps every program that it ever compiled.
    with context.Pool(options.processes, maxtasksperchild=10) as pool:
        seeds = range(options.first, options.first + options.networks)
        try:
            for result in pool.imap(checked, seeds, chunksize=20):
                tally.add(result)
                if tally.networks % 500 == 0:
                    seconds = time.monotonic() - began
                    print(f"{tally.networks} networks, {seconds:.0f} s", flush=True)
        except KeyboardInterrupt:
            print("interrupted: the networks so far")
    tally.print()


if __name__ == "__main__":
    main()
