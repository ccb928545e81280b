"""`tftrain resume`."""

import click

from tftrain.cli.load import load_tensorflow
from tftrain.cli.options import force_option, json_option, quiet_option, set_option, trust_option


@click.command()
@click.argument("run", type=click.Path())
@set_option
@force_option
@quiet_option
@json_option
@trust_option
def resume(
    run: str, overrides: tuple[str, ...], force: bool, quiet: bool, as_json: bool, trust: bool
) -> None:
    """Resume RUN, which was killed, interrupted or failed, in its own directory.

    It ends bit for bit as if it had never stopped.
    """
    load_tensorflow()
    from tftrain.cli.outcome import show_run
    from tftrain.cli.progress import progress_for
    from tftrain.experiment.train import resume as resume_run

    observers = [] if quiet else [progress_for()]
    resumed = resume_run(run, overrides=overrides, force=force, observers=observers, trust=trust)
    show_run(resumed, as_json)
