"""The host's free memory, as Linux tells it of machines and of groups of processes."""

from pathlib import Path

import pytest

from sknorm.backends import memory, resolve

MEMINFO = "MemTotal:       4096 kB\nMemFree:         100 kB\nMemAvailable:    2048 kB\n"
FREE = 2048 * 1024


def machine(root: Path, files: dict[str, str]) -> str:
    """A root with these files in it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(root)


def version_2(
    limit: str, used: int = 500, reclaimable: int = 100, group: str = ""
) -> dict[str, str]:
    folder = f"sys/fs/cgroup{group}"
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.stat": f"file 9\ninactive_file {reclaimable}\nactive_file 7\n",
    }


def version_1(limit: int, used: int, reclaimable: int, group: str = "") -> dict[str, str]:
    folder = f"sys/fs/cgroup/memory{group}"
    return {
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.usage_in_bytes": f"{used}\n",
        f"{folder}/memory.stat": f"inactive_file 3\ntotal_inactive_file {reclaimable}\n",
    }


ROOT, NESTED = "0::/\n", "0::/slice/job\n"
OLD = "5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n"
CASES = {
    "no groups": ({}, FREE),
    "a group with a name in Unicode": (
        {"proc/self/cgroup": "0::/gr\xf6\xdfe\n", **version_2("1000", group="/gr\xf6\xdfe")}, 600
    ),
    "no limit": ({"proc/self/cgroup": ROOT, **version_2("max")}, FREE),
    "a limit": ({"proc/self/cgroup": ROOT, **version_2("1000")}, 600),
    "a limit beyond the machine's": ({"proc/self/cgroup": ROOT, **version_2("9" * 15)}, FREE),
    "a limit of one's own": (
        {"proc/self/cgroup": NESTED, **version_2("1000", group="/slice/job")}, 600
    ),
    "the tightest of several": (
        {
            "proc/self/cgroup": NESTED, **version_2("1000"),
            **version_2("700", group="/slice"), **version_2("max", group="/slice/job"),
        },
        300,
    ),
    "a group that is used up": ({"proc/self/cgroup": ROOT, **version_2("400")}, 0),
    "a group out of sight": ({"proc/self/cgroup": NESTED}, FREE),
    "version 1": ({"proc/self/cgroup": OLD, **version_1(900, 200, 50, "/job")}, 750),
    "version 1 from above": (
        {
            "proc/self/cgroup": OLD, **version_1(900, 700, 50),
            **version_1((1 << 63) - 4096, 200, 50, "/job"),
        },
        250,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_available_is_what_machine_and_groups_leave(tmp_path: Path, name: str) -> None:
    files, expected = CASES[name]
    root = machine(tmp_path, {"proc/meminfo": MEMINFO, **files})
    assert memory.available_bytes(root) == expected


def test_the_system_is_asked_where_no_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"SC_AVPHYS_PAGES": 7, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf", pages.__getitem__, raising=False)
    assert memory.available_bytes(str(tmp_path)) == 7 * 4096


def test_nothing_is_told_where_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str) -> int:
        raise ValueError(f"unrecognized configuration name: {name}")

    monkeypatch.setattr(memory.os, "sysconf", unknown, raising=False)
    assert memory.available_bytes(str(tmp_path)) is None
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory.available_bytes(str(tmp_path)) is None


def test_the_hosts_backend_tells_it() -> None:
    free = resolve(None).free_bytes()
    assert free is None or 1 << 20 < free < 1 << 50
