"""Facts that belong beside every measured number: when, where, with what and by which command."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import torch

import subband


def describe_environment() -> dict[str, str | int]:
    """Date, hardware, versions, commit, command and thread count of this process."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "hardware": hardware(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "subband": subband.__version__,
        "commit": commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "threads": torch.get_num_threads(),
    }


def hardware() -> str:
    """The GPU's name, or the processor's with the number of cores this process may use."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def commit() -> str:
    """Short commit of the checkout this package runs from, `+` if it has changes; `unknown` outside a checkout."""
    folder = Path(subband.__file__).parent
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    tracked = result.returncode == 0 and folder.parent.name == "src"
    return result.stdout.strip() if tracked else "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
