"""Measurements in fresh processes, and the memory of this one."""

import resource
import subprocess
import sys
from pathlib import Path


def in_fresh_process(script: str, *options: object) -> list[float]:
    """The numbers in the last line that a script prints."""
    command = [sys.executable, script, *map(str, options)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def resident_bytes() -> int:
    """Memory of this process."""
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        return int(statistics.read_text().split()[1]) * resource.getpagesize()
    return peak_bytes()


def peak_bytes() -> int:
    """Most memory that it has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
