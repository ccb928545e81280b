"""`tftrain runs`."""

import time
from typing import TYPE_CHECKING

import click

from tftrain.cli.options import json_option
from tftrain.errors import TftrainError
from tftrain.names import State
from tftrain.terminal import say

if TYPE_CHECKING:
    from tftrain.runs.listing import Listed


@click.command()
@click.argument("folder", type=click.Path(), default="runs")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in State]),
    multiple=True,
    help="Only runs of this state. May be repeated.",
)
@click.option("--clean", is_flag=True, help="Remove the runs that are listed, when you confirm it.")
@click.option("--yes", is_flag=True, help="Confirm it beforehand.")
@json_option
def runs(folder: str, states: tuple[str, ...], clean: bool, yes: bool, as_json: bool) -> None:
    """List the runs in FOLDER: state, best metric, age and size.

    `running`: a process is working on it. `stopped`: it was killed; `tftrain resume` resumes it.
    """
    from tftrain.runs.directory import json_text
    from tftrain.runs.listing import remove, runs_in

    found = [one for one in runs_in(folder) if not states or one.state in states]
    if clean:
        found = [one for one in found if one.state != State.RUNNING]
    if as_json:
        say(json_text([vars(one) for one in found]))
    elif found:
        say(_table(found))
    else:
        say(f"{folder}: no such runs", err=True)
    if not (clean and found):
        return
    if not (yes or click.confirm(f"Remove these {len(found)} runs for good?", err=True)):
        say("nothing was removed", err=True)
        return
    kept = 0
    for one in found:
        try:
            remove(one)
        except TftrainError as error:
            kept += 1
            say(f"error: {error}", err=True)
    say(f"removed {len(found) - kept} runs", err=True)
    if kept:
        raise TftrainError(f"{kept} of the runs listed are still there")


def _table(found: list["Listed"]) -> str:
    """Return runs as text, a line each."""
    from rich.filesize import decimal  # other commands need not wait for these
    from rich.table import Table
    from rich.text import Text

    from tftrain.terminal import rendered, writable

    table = Table()
    for heading in ("run", "state", "epochs", "metric", "", "age", "size"):
        table.add_column(heading, justify="left" if heading in ("run", "state") else "right")
    for one in found:
        table.add_row(
            Text(writable(one.path)),
            one.state,
            "" if one.epochs is None else f"{one.epochs:,}",
            one.metric or "",
            "" if one.value is None else f"{one.value:.5g}",
            _age(time.time() - one.written),
            decimal(one.size),
        )
    return rendered(table)


def _age(seconds: float) -> str:
    """Return a time in its largest unit that is not below one."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
