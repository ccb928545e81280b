"""Each library in a process of its own, so that none uses the threads or the memory of another."""

import importlib
import multiprocessing
import os
import sys
import traceback
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from scripts.bench.workloads import Workload


class Worker:
    """A process that trains one workload with one library when asked.

    Args:
        module: in `peers`.
        variant: of it.
        work: the task.
    """

    def __init__(self, module: str, variant: str, work: Workload) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, module, variant, work))
        self.process.start()
        theirs.close()
        self.fewest = int(self._answer())

    def train(self, epochs: int, shuffle: bool = True) -> float:
        """Train; return the seconds."""
        return float(self._ask("train", epochs, shuffle))

    def loss(self) -> float:
        """Return the mean squared error over all rows."""
        return float(self._ask("loss"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pipe.close()
        self.process.join()

    def _ask(self, *question: Any) -> Any:
        self.pipe.send(question)
        return self._answer()

    def _answer(self) -> Any:
        answer = self.pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def serve(pipe: Connection, module: str, variant: str, work: Workload) -> None:
    """Answer questions until the other end of the pipe is closed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        peer = importlib.import_module(f"scripts.bench.peers.{module}").Peer(work, variant)
        pipe.send(getattr(peer, "fewest", 1))
        while True:
            name, *arguments = pipe.recv()
            pipe.send(getattr(peer, name)(*arguments))
    except EOFError:
        return
    except Exception:
        pipe.send(traceback.format_exc())
