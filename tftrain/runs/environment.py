"""Where and with what a run was made."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("tftrain", "tensorflow", "numpy", "pandas", "pyarrow", "scikit-learn")


def environment() -> dict[str, Any]:
    """Return versions, platform, command, and git commit if any."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "packages": packages(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "git": git_commit(),
    }


def packages() -> dict[str, str | None]:
    """Return the versions of the packages that decide what is computed."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_commit() -> dict[str, Any] | None:
    """Return the commit of the working directory, and whether it has uncommitted changes."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # names of files, in whatever encoding
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
