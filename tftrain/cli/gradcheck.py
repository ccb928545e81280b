"""`tftrain gradcheck`."""

from pathlib import Path

import click

from tftrain.cli.options import set_option
from tftrain.cli.tensorflow import load_tensorflow
from tftrain.errors import InputError, TftrainError, unknown
from tftrain.files import require_writable, whole_file


@click.command()
@click.argument("config", type=click.Path(), required=False)
@click.option("--run", metavar="RUN", help="Check the network of a run at its trained weights.")
@set_option
@click.option("--modes", default="eager,graph,xla", show_default=True, help="How steps are run.")
@click.option("--dtypes", default="float32,float64", show_default=True, help="Precisions.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    help="Rows of the batch; by default the config's batch, at most 256.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Also train so many steps in TensorFlow and in NumPy, and tell how far they part.",
)
@click.option("--json", "json_file", metavar="FILE", help="Write every check to FILE as JSON.")
def gradcheck(
    config: str | None,
    run: str | None,
    overrides: tuple[str, ...],
    modes: str,
    dtypes: str,
    rows: int | None,
    steps: int | None,
    json_file: str | None,
) -> None:
    """Prove the gradients of the network of the YAML file CONFIG.

    Each node is compared with the NumPy reference against a computed bound on rounding; there is
    no tolerance to choose. Exit codes: 0 proven, 1 a gradient is wrong, 2 the input is wrong.
    """
    from tftrain.config import load_config
    from tftrain.experiment.prepare import prepare
    from tftrain.runs import load_run

    if (config is None) == (run is None):
        raise InputError("name either a CONFIG or a trained run with --run RUN")
    names = {
        "mode": (_listed(modes), ("eager", "graph", "xla")),
        "dtype": (_listed(dtypes), ("float32", "float64")),
    }
    for what, (chosen, known) in names.items():
        for name in chosen:
            if name not in known:
                raise unknown(what, name, known)
        if not chosen:
            raise InputError(f"--{what}s names none of {', '.join(known)}")
    if run and overrides:
        raise InputError("--set changes a CONFIG; a run is checked as it was trained")
    if json_file:
        require_writable(Path(json_file), "--json")
    opened = load_run(run) if run else None
    prepared = prepare(load_config(opened.config if opened else str(config), overrides))
    load_tensorflow()
    from tftrain.experiment.gradcheck import check_config, trajectories

    chosen_modes, chosen_dtypes = names["mode"][0], names["dtype"][0]
    report = check_config(prepared, run=opened, modes=chosen_modes, dtypes=chosen_dtypes, rows=rows)
    click.echo(report)
    if json_file:
        with whole_file(Path(json_file), "--json") as aside:
            aside.write_text(report.to_json_text(), encoding="utf-8")
    if steps:
        for found in trajectories(
            prepared, steps, run=opened, modes=chosen_modes, dtypes=chosen_dtypes
        ):
            click.echo(found)
    if not report.ok:
        raise TftrainError("a gradient is wrong: " + report.failures[0].where)


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
