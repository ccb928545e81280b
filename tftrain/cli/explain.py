"""`tftrain explain`."""

from collections.abc import Sequence
from pathlib import Path

import click

from tftrain.cli.load import load_tensorflow
from tftrain.cli.options import set_option, trust_option
from tftrain.terminal import say


@click.command()
@click.argument("subject", type=click.Path(), metavar="CONFIG|RUN", required=False)
@click.option(
    "--row",
    type=click.IntRange(min=1),
    metavar="K",
    help="Which of the training rows, counted from 1.  [default: 1]",
)
@set_option
@trust_option
@click.option(
    "--function",
    "formula",
    metavar="FORMULA",
    help="In place of a config or run: a formula such as 'x**2*y + y + 2'.",
)
@click.option(
    "--at",
    "point",
    metavar="NAME=NUMBER",
    multiple=True,
    help="Value of an input of the formula. Once for each.",
)
def explain(
    subject: str | None,
    row: int | None,
    overrides: tuple[str, ...],
    trust: bool,
    formula: str | None,
    point: tuple[str, ...],
) -> None:
    """Explain one step in numbers: forward pass, deltas, gradients, update.

    For one row of the YAML file CONFIG with its initial weights, or of the directory RUN with its
    trained ones; or, with --function and --at, for a formula.
    """
    if (subject is None) == (formula is None):
        raise click.UsageError("give one of the two: CONFIG or RUN, or --function FORMULA")
    if formula is not None:
        if row is not None or overrides:
            raise click.UsageError("--row and --set belong to a CONFIG or RUN, not to --function")
        say(_of_formula(formula, point))
    elif subject is not None:
        if point:
            raise click.UsageError("--at belongs to --function, not to a CONFIG or RUN")
        say(_of_network(subject, row or 1, overrides, trust))


def _of_formula(formula: str, point: Sequence[str]) -> str:
    from tftrain.reference.expression import Expression

    expression = Expression(formula)
    at = expression.point(point)
    expression.gradient(at)
    load_tensorflow()
    from tftrain.explain import explain_expression

    return explain_expression(expression, at)


def _of_network(subject: str, row: int, overrides: Sequence[str], trust: bool) -> str:
    from tftrain.config import load_config
    from tftrain.experiment.prepare import prepare
    from tftrain.runs import load_run
    from tftrain.runs.table import with_source

    run = load_run(subject, trust=trust) if Path(subject).is_dir() else None
    if run is None:
        config = load_config(subject, overrides)
    else:
        refusal = "--set belongs to a CONFIG: a RUN keeps what it was trained with"
        config = with_source(run.config, overrides, refusal)
    prepared = prepare(config)
    for note in prepared.notes:
        say(f"note: {note}", err=True)
    load_tensorflow()
    from tftrain.explain import explain as explain_row

    return explain_row(prepared, row=row, run=run)
