"""How the process of the command line ends: as it should, or at once at a second Ctrl-C."""

import os
import signal
import socket
import sys
from threading import Thread

WITHIN = 130
"""Exit code of a process that Ctrl-C ended."""


def exit_at_second_interrupt() -> None:
    """Have a thread watch for a second Ctrl-C, even in the middle of a TensorFlow program.

    Python's own handlers run only between two programs.

    Signals are told to the thread over a socket by the C part of Python, at once. What a run has on
    disk is whole at any instant, so nothing need be tidied up.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    Thread(target=_watch, args=(heard, told), name="second-interrupt", daemon=True).start()


def _watch(heard: socket.socket, told: socket.socket) -> None:
    """Count; `told` is here to be kept open."""
    interrupts = 0
    while numbers := heard.recv(64):
        interrupts += numbers.count(signal.SIGINT)
        if interrupts > 1:
            shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # the cursor, which a bar hides
            try:
                os.set_blocking(2, False)  # a terminal that is stopped would be waited for
                os.write(2, f"{shown}interrupted again: ended at once\n".encode())
            except OSError:  # nobody reads it
                pass
            finally:
                os._exit(WITHIN)


def leave(code: int) -> None:
    """End the process with an exit code, without taking TensorFlow apart.

    After a program of XLA that found no memory, that would crash and hide the code.
    """
    sys.stderr.flush()
    try:
        sys.stdout.flush()
    except OSError:  # nobody reads it
        code = code or 1
    os._exit(code)
