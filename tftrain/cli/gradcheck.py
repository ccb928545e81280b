"""`tftrain gradcheck`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tftrain.cli.load import load_tensorflow
from tftrain.cli.options import set_option, trust_option
from tftrain.errors import InputError, TftrainError, unknown
from tftrain.files import require_new, require_writable, whole_file
from tftrain.names import DTYPES, MIXED, MODES
from tftrain.terminal import say


@click.command()
@click.argument("config", type=click.Path(), required=False)
@click.option("--run", metavar="RUN", help="Check the network of a run at its trained weights.")
@set_option
@click.option("--modes", default=",".join(MODES), show_default=True, help="How steps are run.")
@click.option(
    "--dtypes",
    help="Precisions: of float32, float64, mixed_bfloat16; by default the first two, and the third "
    "where the config asks for it.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    help="Rows of the batch; by default the config's batch, at most 256.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Also train this many steps in TensorFlow and in NumPy, and report their drift.",
)
@click.option("--json", "json_file", metavar="FILE", help="Write every check to FILE as JSON.")
@click.option("--force", is_flag=True, help="Overwrite the JSON file if it exists.")
@trust_option
def gradcheck(
    config: str | None,
    run: str | None,
    overrides: tuple[str, ...],
    modes: str,
    dtypes: str | None,
    rows: int | None,
    steps: int | None,
    json_file: str | None,
    force: bool,
    trust: bool,
) -> None:
    """Prove the gradients of the network of the YAML file CONFIG.

    Each node is compared with the NumPy reference against a computed bound on rounding; there is
    no tolerance to choose. Exit codes: 0 proven, 1 a gradient is wrong, 2 the input is wrong.
    """
    from tftrain.config import load_config
    from tftrain.experiment.prepare import prepare
    from tftrain.runs import RunDirectory, load_run
    from tftrain.runs.table import with_source

    if (config is None) == (run is None):
        raise InputError("name either a CONFIG or a trained run with --run RUN")
    how: dict[str, Any] = {
        "modes": _chosen("mode", modes, MODES),
        "dtypes": None if dtypes is None else _chosen("dtype", dtypes, (*DTYPES, MIXED)),
    }
    if json_file:
        require_writable(Path(json_file), "--json")
        require_new(Path(json_file), [config] if config else [], force, "--json")
    if config and RunDirectory(Path(config)).summary.is_file():
        raise InputError(f"{config}: is a run; check it with --run {config}")
    opened = load_run(run, trust=trust) if run else None
    if opened is None:
        loaded = load_config(str(config), overrides)
    else:
        refusal = "--set changes a CONFIG; a run is checked as it was trained"
        loaded = with_source(opened.config, overrides, refusal)
    prepared = prepare(loaded)
    for note in prepared.notes:
        say(f"note: {note}", err=True)
    load_tensorflow()
    from tftrain.experiment.gradcheck import check_config, trajectories

    report = check_config(prepared, run=opened, rows=rows, **how)
    say(report)
    if json_file:
        with whole_file(Path(json_file), "--json") as aside:
            aside.write_text(report.to_json_text(), encoding="utf-8")
    if steps:
        for found in trajectories(prepared, steps, run=opened, **how):
            say(found)
    if not report.ok:
        raise TftrainError("a gradient is wrong: " + report.failures[0].where)


def _chosen(what: str, text: str, known: Sequence[str]) -> list[str]:
    """Return the names in a list with commas; raise InputError where one is not known, or none."""
    chosen = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for name in chosen:
        if name not in known:
            raise unknown(what, name, known)
    if not chosen:
        raise InputError(f"--{what}s names none of {', '.join(known)}")
    return chosen
