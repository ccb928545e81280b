"""Ctrl-C, taken at the end of a chunk of steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed."""

    requested = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Make the first Ctrl-C a request, so that no step is lost that the weights have taken.

    It is answered at the end of the chunk, which aims at half a second, but holds at least one
    step, and the validation after it. A second one interrupts as soon as Python runs again, which
    is not before the chunk's end either, and the chunk is lost to the history. A handler that the
    program has set itself is left alone, and so are threads, which get no signals.
    """
    interrupt = Interrupt()
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
