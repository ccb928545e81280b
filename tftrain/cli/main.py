"""The command `tftrain`: its subcommands, and what every one of them does with errors."""

import io
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from tftrain.cli.check import check
from tftrain.cli.evaluate import evaluate
from tftrain.cli.explain import explain
from tftrain.cli.gradcheck import gradcheck
from tftrain.cli.init import init
from tftrain.cli.predict import predict
from tftrain.cli.resume import resume
from tftrain.cli.runs import runs
from tftrain.cli.schema import schema
from tftrain.cli.signals import exit_at_second_interrupt, leave
from tftrain.cli.train import train
from tftrain.cli.version import version
from tftrain.errors import Terminated, TftrainError, TftrainWarning
from tftrain.terminal import prepare_streams, say


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Train Keras-free TensorFlow networks on tables, from one YAML file.

    Exit codes: 0 done, 2 the input is wrong, 1 anything else, 129 the terminal was closed,
    130 interrupted, 143 terminated.
    """


COMMANDS = (
    train,
    resume,
    evaluate,
    predict,
    runs,
    check,
    init,
    gradcheck,
    explain,
    schema,
    version,
)
for command in COMMANDS:
    # Whole, where click would cut it to what fits on a line.
    command.short_help = " ".join((command.help or "").split("\n\n")[0].split())
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    prepare_streams()
    exit_at_second_interrupt()
    leave(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code. A user's mistake never shows a traceback."""
    try:
        with _plain_warnings():
            cli.main(arguments, prog_name="tftrain", standalone_mode=False)
    except TftrainError as error:
        _say(f"error: {error}", error)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__ or error
        number = cause.number if isinstance(cause, Terminated) else signal.SIGINT
        _say("interrupted" if number == signal.SIGINT else "terminated", cause)
        return 128 + number
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - nothing more can be written
        return 1
    except MemoryError as error:
        say(
            f"error: out of memory: {str(error) or 'the data are too large for this machine'}",
            err=True,
        )
        return 1
    except OSError as error:
        say(f"error: {error.filename or 'file'}: {error.strerror or error}", err=True)
        return 1
    return 0


def _show(error: click.ClickException) -> None:
    """Print what click says of a wrong use of the command line."""
    text = io.StringIO()
    error.show(file=text)
    say(text.getvalue().rstrip("\n"), err=True)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print our own warnings as one line, without the place in the source."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def plainly(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, TftrainWarning):
                say(f"warning: {message}", err=True)
            else:
                show(message, category, *rest, **more)

        warnings.showwarning = plainly
        yield


def _say(message: str, error: BaseException) -> None:
    """Print a message and the notes of its error on stderr."""
    say("\n".join([message, *getattr(error, "__notes__", [])]), err=True)
