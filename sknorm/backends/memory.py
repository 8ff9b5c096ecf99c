"""How much more memory the host has to give to this process."""

import os
from collections.abc import Iterator

# Limit, use and statistics of a group of processes, by the version of Linux's control groups.
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
_VERSION_2 = ("memory.max", "memory.current", "inactive_file ")
_NO_LIMIT = 1 << 62  # version 1 writes none as a number near 2**63


def available_bytes(root: str = "") -> int | None:
    """Bytes that may still be allocated without swapping, None where no one says.

    Parameters
    ----------
    root : str
        Prefix of the paths of the kernel's files.
    """
    found = [_unused(root), *_left_to_groups(root)]
    known = [count for count in found if count is not None]
    return max(0, min(known)) if known else None


def _unused(root: str) -> int | None:
    """Memory that no process of the machine needs."""
    for line in _lines(f"{root}/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows, not on macOS
        return None


def _left_to_groups(root: str) -> Iterator[int]:
    """What the limits of the process's control groups leave, from its own one up."""
    for line in _lines(f"{root}/proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        mount, names = f"{root}/sys/fs/cgroup", _VERSION_2
        if "memory" in controllers.split(","):
            mount, names = f"{mount}/memory", _VERSION_1
        elif controllers:
            continue
        group = group.rstrip("/")
        while True:
            yield from _left_to_group(f"{mount}{group}/", *names)
            if not group:
                break
            group = group.rpartition("/")[0]


def _left_to_group(group: str, limit: str, use: str, reclaimable: str) -> Iterator[int]:
    most = "".join(_lines(group + limit))
    if not most.isdigit() or int(most) >= _NO_LIMIT:
        return  # no such group in sight, or no limit
    cached = [line for line in _lines(group + "memory.stat") if line.startswith(reclaimable)]
    used = int("".join(_lines(group + use)) or 0)
    # Files that were read count as use, but give way.
    yield int(most) - used + sum(int(line.split()[1]) for line in cached)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []
