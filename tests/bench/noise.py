"""How much of the machine others used while something was measured: what is not ours is noise."""

import os
from pathlib import Path

# A round in which others had more of the machine than this is not believed (docs/decisions/0012-benchmarks.md).
MOST_BY_OTHERS = 0.05


def _machine() -> tuple[int, int]:
    """Return the machine's busy and its whole time, in ticks of all cores."""
    user, nice, system, idle, waiting, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    busy = user + nice + system + irq + soft + steal
    return busy, busy + idle + waiting


def ticks(*roots: int) -> int:
    """Return the ticks (hundredths of a second) that processes, their descendants and those that ended have used."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(folder.name)
        children.setdefault(int(fields[1]), []).append(pid)
        ticks[pid] = sum(map(int, fields[11:15]))
    waiting, total = list(roots), 0
    while waiting:
        pid = waiting.pop()
        total += ticks.get(pid, 0)
        waiting += children.get(pid, [])
    return total


class Watch:
    """From its making to ``by_others()``: the share of the whole machine that was neither idle nor ours."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.machine, self.ours = _machine(), ticks(root)

    def by_others(self) -> float:
        busy, whole = (after - before for after, before in zip(_machine(), self.machine, strict=True))
        return max(0.0, busy - (ticks(self.root) - self.ours)) / max(1, whole)


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def memory_of(pid: int) -> float:
    """Return how many megabytes a process and its children hold, memory they share counted once to each."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if pid in {parent, int(folder.name)}:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
        except OSError:
            continue
    return total
