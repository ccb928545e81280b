"""Measure tftrain beside its peers, and write docs/benchmarks.md and its plots.

python -m scripts.bench [--rounds N] [--output FOLDER] [--only PART]...
"""

import argparse
import json
from pathlib import Path

from scripts.bench import parts, report

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    """Measure every part, keep the figures, and write the report from them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default: 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="default: docs")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(parts.PARTS),
        help="measure this part only; what the output folder knows of the others stays",
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    figures = arguments.output / "benchmarks.json"
    found = json.loads(figures.read_text()) if arguments.only and figures.exists() else {}
    circumstances = parts.circumstances(arguments.rounds)  # before the figures change the tree
    for name in arguments.only or parts.PARTS:
        print(f"measuring {name}", flush=True)
        found[name] = parts.PARTS[name](arguments.rounds)
        found.setdefault("measured", {})[name] = circumstances
        figures.write_text(json.dumps(found, indent=1) + "\n")
    report.write(found, arguments.output)
    print((arguments.output / "benchmarks.md").read_text())


if __name__ == "__main__":
    main()
