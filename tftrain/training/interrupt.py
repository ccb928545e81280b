"""Ctrl-C, SIGTERM and SIGHUP, taken at the end of a chunk of steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tftrain.errors import Terminated

HANGUP = getattr(signal, "SIGHUP", None)
"""The signal of a closed terminal, where the system has it."""

DEFAULT_HANDLERS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    **({} if HANGUP is None else {HANGUP: signal.SIG_DFL}),
}


class Interrupt:
    """Which signal asked to stop, if one did."""

    number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
        elif number != HANGUP:  # kernel and shell both send it for one closed terminal
            raise self.error

    @property
    def error(self) -> KeyboardInterrupt:
        """What is to be raised in answer to the signal."""
        if self.number in (None, signal.SIGINT):
            return KeyboardInterrupt()
        return Terminated(self.number)


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Make the first of the signals a request, so that no step is lost that weights have taken.

    It is answered at the end of the chunk, which aims at half a second, but holds at least one
    step, and the validation after it. A second one interrupts as soon as Python runs again, which
    is not before the chunk's end either, and the chunk is lost to the history; but a SIGHUP may
    come twice. A handler that the program has set itself is left alone, and so is a signal that is
    ignored, as `nohup` ignores SIGHUP, and so are threads, which get no signals.
    """
    interrupt = Interrupt()
    in_main = threading.current_thread() is threading.main_thread()
    ours = {
        number: handler
        for number, handler in DEFAULT_HANDLERS.items()
        if in_main and signal.getsignal(number) is handler
    }
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield interrupt
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
