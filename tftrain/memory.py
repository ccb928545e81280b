"""The memory that a process can have, and the refusal of what needs more.

TensorFlow does not always raise an error where memory runs out: some of its kernels end in a
segmentation fault, and Linux kills a process that touches memory it was promised. So whatever is
hopeless is refused before it begins.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from tftrain.errors import OutOfMemoryError

GROUPS = "sys/fs/cgroup"
"""The folder of control groups, which limit the memory of containers and batch jobs."""

ULIMITS = {"ulimit -v": "RLIMIT_AS", "ulimit -d": "RLIMIT_DATA"}


class Limit(NamedTuple):
    """The most memory that something lets a process have.

    Attributes:
        size: bytes.
        place: the thing that sets the limit, with a verb: `this machine has`.
    """

    size: int
    place: str


class Need(NamedTuple):
    """One part of the memory that something needs.

    Attributes:
        size: bytes.
        name: the part, as a noun phrase in the plural.
        remedy: a way to make it smaller, as an imperative sentence without its full stop.
    """

    size: int
    name: str
    remedy: str


def limit(root: Path = Path("/")) -> Limit:
    """Return the lowest limit on the memory of this process.

    It counts all memory there is, swap included, not what is free at the moment: other processes
    may return theirs at any time, and caches count as used. A process that needs more than all can
    never succeed; one that needs less might.

    Args:
        root: the root of the file system, below which Linux describes itself.
    """
    swap = _swap(root)
    limits = [
        Limit(_physical() + swap, "this machine has"),
        Limit(_of_groups(root, swap), "the container (cgroup) allows"),
        *(Limit(_ulimit(name), f"`{command}` allows") for command, name in ULIMITS.items()),
    ]
    return min(limits)


def require(purpose: str, *needs: Need) -> None:
    """Raise OutOfMemoryError where the parts together exceed the memory of a process.

    Args:
        purpose: what the memory is for, as the subject of a sentence.
        needs: its parts, each at its least; the error names the largest.
    """
    total, most = sum(need.size for need in needs), limit()
    if total <= most.size:
        return
    largest = max(needs)
    raise OutOfMemoryError(
        f"out of memory: {purpose} needs at least {in_words(total)}, but {most.place} "
        f"{in_words(most.size)}. {in_words(largest.size)} of it are for {largest.name}: "
        f"{largest.remedy}"
    )


def in_words(size: float) -> str:
    """Return a number of bytes as people read it, such as `2.3 GiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} PiB"


def _physical() -> int:
    """Return the bytes of the machine's memory; without a limit where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


def _swap(root: Path) -> int:
    """Return the bytes of the machine's swap space."""
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("SwapTotal:"):
            return 1024 * int(line.split()[1])
    return 0


def _of_groups(root: Path, swap: int) -> int:
    """Return the lowest limit of the control groups that this process is in, each in another.

    `/proc/self/cgroup` names the innermost group of each hierarchy, as `0::/user/job` (version 2)
    or `4:memory:/job` (version 1). Within a container the path may be the host's, while the folder
    shows the container's group as its root.
    """
    paths = [Path("/")]
    for line in _text(root / "proc/self/cgroup").splitlines():
        path = Path("/", line.split(":", 2)[-1])
        paths += [path, *path.parents]
    folders = [root / GROUPS / version for version in ("", "memory")]
    groups = {folder / path.relative_to("/") for folder in folders for path in paths}
    return min(_of_group(group, swap) for group in groups)


def _of_group(group: Path, swap: int) -> int:
    """Return the bytes of memory and swap that one control group may have, of either version."""
    both = _number(group / "memory.max") + min(swap, _number(group / "memory.swap.max"))
    first = _number(group / "memory.limit_in_bytes") + swap
    return min(both, first, _number(group / "memory.memsw.limit_in_bytes"))


def _ulimit(name: str) -> int:
    """Return a limit that the shell has set for this process, in bytes."""
    try:
        import resource
    except ImportError:  # not on Windows
        return sys.maxsize
    soft, _ = resource.getrlimit(getattr(resource, name))
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _number(file: Path) -> int:
    """Return the number in a file; without a limit where it holds none, such as `max`."""
    text = _text(file).strip()
    return int(text) if text.isdecimal() else sys.maxsize


def _text(file: Path) -> str:
    """Return the text of a file, empty where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
