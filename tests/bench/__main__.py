"""``script/bench [today] [book] [week] [find] [openings] [packet] [submit] [keep] [chart] [scores] [review] --patients 1000 100000 --rounds 5 --seconds 2 --json figures.json``.

Each size gets throw-away services of its own, PostgreSQL with the disk's word for every commit. Prints figures beside
what docs/decisions/0012-benchmarks.md asks for; what to make of them is left to the reader.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinic import devservices

ITEMS = ("today", "book", "week", "find", "openings", "packet", "submit", "keep", "chart", "scores", "review")
# One word for the items of one part of the product.
SCHEDULE = ("today", "book", "week", "find", "openings")
PARTS = {
    "schedule": SCHEDULE,
    "scheduling": SCHEDULE,
    "assessments": ("packet", "submit", "keep", "chart", "scores", "review"),
}
MEASURE = "import sys, django; django.setup(); from tests.bench import measuring; measuring.main(sys.argv[1])"
# As production would run on a machine of this size; a commit waits for the disk.
POSTGRESQL = {"shared_buffers": "1GB", "synchronous_commit": "on", "max_wal_size": "4GB", "random_page_cost": "1.1"}
# (where in the figures, what it is called, how it is compared, with what)
MUSTS: tuple[tuple[tuple[str, ...], str, str, float], ...] = (
    (("today", "c1", "app", "p50"), "today, p50 ms", "<=", 9),
    (("today", "c1", "ratio"), "today, times the bare view", "<=", 3.5),
    (("today", "c4", "app", "per_second"), "today, 4 connections, pages/s", ">=", 200),
    (("queries", "today"), "today, statements", "<=", 4),
    (("today", "c1", "app", "bytes"), "today, bytes", "<=", 40_000),
    (("book", "c1", "app", "p50"), "book, p50 ms", "<=", 6),
    (("book", "c1", "ratio"), "book, times one insert", "<=", 8.8),
    (("book", "c4", "app", "per_second"), "book, 4 connections, bookings/s", ">=", 400),
    (("week", "c1", "app", "p50"), "week as JSON, p50 ms", "<=", 6),
    (("week", "c1", "ratio"), "week, times the bare view", "<=", 4.5),
    (("week", "c4", "app", "per_second"), "week, 4 connections, answers/s", ">=", 350),
    (("week", "c1", "app", "bytes"), "week, bytes", "<=", 50_000),
    (("queries", "week"), "week, statements", "<=", 3),
    (("find", "c1", "app", "p50"), "patient by name, p50 ms", "<=", 4),
    (("find", "c1", "ratio"), "patient by name, times the bare view", "<=", 5),
    (("find", "c4", "app", "per_second"), "patient by name, 4 connections, /s", ">=", 600),
    (("find", "c1", "app", "bytes"), "patient by name, bytes", "<=", 4_000),
    (("queries", "find"), "patient by name, statements", "<=", 3),
    (("openings", "p50"), "openings of two weeks, p50 ms", "<=", 100),
    (("openings", "statements"), "openings, statements", "<=", 9),
    (("packet", "c1", "app", "p50"), "packet, p50 ms", "<=", 12),
    (("packet", "c4", "app", "per_second"), "packet, 4 connections, changes/s", ">=", 200),
    (("submit", "c1", "app", "p50"), "PHQ-9 handed in, p50 ms", "<=", 5),
    (("submit", "c4", "app", "per_second"), "PHQ-9 handed in, 4 connections, /s", ">=", 350),
    (("keep", "c1", "app", "p50"), "an answer kept, p50 ms", "<=", 9),
    (("chart", "c1", "app", "p50"), "chart with 60 responses, p50 ms", "<=", 12),
    (("chart", "c1", "ratio"), "chart, times the bare view", "<=", 4.6),
    (("chart", "c4", "app", "per_second"), "chart, 4 connections, pages/s", ">=", 150),
    (("chart", "c1", "app", "bytes"), "chart, bytes", "<=", 60_000),
    (("queries", "chart"), "chart, statements", "<=", 8),
    (("scores", "c1", "app", "p50"), "scores over time, p50 ms", "<=", 12),
    (("review", "c1", "app", "p50"), "review page, p50 ms", "<=", 12),
    (("review", "c4", "app", "per_second"), "review page, 4 connections, pages/s", ">=", 150),
    (("crowd", "p99"), "16 on one slot, p99 ms", "<=", 60),
    (("crowd", "deadlocks"), "16 on one slot, deadlocks", "<=", 0),
    (("left_behind", "missing"), "bookings missing", "<=", 0),
    (("left_behind", "orphan_holds"), "holds without a visit", "<=", 0),
    (("left_behind", "not_wholly_held"), "visits not wholly held", "<=", 0),
    (("answers_missing",), "answers handed in and missing", "<=", 0),
    (("memory_mb",), "memory of the web server, MB", "<=", 250),
)
# Of p50, against the smallest size: (up to how many patients, how much).
GROWTH = ((100_000, 1.2), (10_000_000, 1.4))
ALL_SIZES, SIZES = (1000, 100_000, 1_000_000), (1000, 100_000)


def say(words: str = "") -> None:
    print(words, flush=True)  # noqa: T201 - this is a command that speaks to a person


def machine() -> dict[str, Any]:
    """Return what kind of machine this is; nothing that tells which."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(), "memory_gib": round(pages * size / 2**30), "python": platform.python_version(),
        "system": platform.system(), "load_at_start": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def one_size(patients: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one size, from services that are gone afterwards."""
    say(f"\n{patients:,} patients")
    with (
        tempfile.TemporaryDirectory(prefix="stillwater-bench-") as folder,
        devservices.start(devservices.ROOT, fast=False) as services,
    ):
        today = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0)
        environment = services.environment() | {
            "DEVELOPMENT": "1", "DEMO_MODE": "0", "DEBUG": "0",
            "SITE_URL": "http://localhost", "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
            "DJANGO_SETTINGS_MODULE": "clinic.settings",
            # The page of ten o'clock is the same page at every hour of the measuring.
            "CLOCK_FROZEN_AT": today.isoformat(),
            "BENCH_APP_URL": services.app_url,
            "BENCH_MINDER": str(os.getpid()),
            "BENCH_SERVERS": " ".join(str(child.process.pid) for child in services.children),
        }  # fmt: skip
        wanted = {
            "patients": patients, "items": chosen.items, "rounds": chosen.rounds, "seconds": chosen.seconds,
            "crowd": chosen.crowd, "folder": folder,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", MEASURE, json.dumps(wanted)], cwd=devservices.ROOT,
            env=os.environ | environment, preexec_fn=devservices.die_with_parent(signal.SIGTERM),
        )  # fmt: skip
        child = services.add(devservices.Child("bench", process))
        if process.wait():
            for log in sorted(Path(folder).glob("*.log")):
                say(f"The end of {log.name}:\n{devservices.tail(log)}")
            raise SystemExit(process.returncode)
        child.stop()
        result: dict[str, Any] = json.loads((Path(folder) / "result.json").read_text())
        return result


def at(result: dict[str, Any], path: Sequence[str]) -> float | None:
    """Return the figure at a path, or nothing when it was not measured."""
    value: Any = result
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return None if value is None else float(value)


def show(result: dict[str, Any]) -> None:
    """Print one size as tables."""
    say(
        f"\n{result['patients']:,} patients: tables made in {result['release_seconds']} s, filled in {result['seed_seconds']} s"
    )
    say(
        f"  {'':<14}{'':>7}{'req/s':>9}{'p50 ms':>9}{'p95':>9}{'p99':>9}{'cpu ms':>9}{'bytes':>9}   ratio (least to most), rounds"
    )
    for item in ITEMS:
        for connections, row in result.get(item, {}).items():
            if item == "openings":
                break
            for who in ("app", "limit"):
                f = row[who]
                end = ""
                if who == "app":
                    noisy = "" if row["believed"] else "  NOISY: every round; look at the ratio of cpu alone"
                    end = (
                        f"   {row['ratio']:.1f} ({row['ratio_least']:.1f} to {row['ratio_most']:.1f}), {row['cpu_ratio']:.1f} of cpu,"
                        f" {row['quiet_rounds']} quiet of {row['rounds']}, load {row['load']}{noisy}"
                    )
                say(
                    f"  {item + ' ' + connections:<14}{who:>7}{f['per_second']:>9.0f}{f['p50']:>9.2f}{f['p95']:>9.2f}"
                    f"{f['p99']:>9.2f}{f['cpu']:>9.2f}{f['bytes']:>9.0f}{end}"
                )
            if row["wrong"]:
                say(f"  {item} {connections}: {row['wrong']} ANSWERS WERE WRONG")
    if crowd := result.get("crowd"):
        say(
            f"  16 on one slot: exactly one won in {crowd['won_by_one']} of {crowd['rounds']} rounds, "
            f"{crowd['refused_with_a_sentence']} refused with a sentence, {crowd['deadlocks']} deadlocks;"
            f" p50 {crowd['p50']:.0f}, p99 {crowd['p99']:.0f}, longest {crowd['longest']:.0f} ms;"
            f" the winner's median {crowd['winner_p50']:.0f} ms; others had {crowd['by_others']:.0%} of the machine"
        )
    if found := result.get("openings"):
        say(
            f"  openings of {found['days']} days, {found['clinicians']} clinicians and {found['rooms']} rooms over {found['visits']:,} live visits:"
            f" {found['openings']} found in {found['p50']:.1f} ms (longest {found['longest']:.1f}, {found['cpu']:.1f} of cpu beside the database's), {found['statements']} statements"
        )
    say(f"  statements: {result['queries']}")
    say("  asked for (docs/decisions/0012-benchmarks.md):")
    for path, label, sign, bound in MUSTS:
        value = at(result, path)
        if value is not None:
            met = value <= bound if sign == "<=" else value >= bound
            say(f"    {label:<34}{value:>10.1f}  {sign} {bound:<8g}{'' if met else ' not met'}")


def show_growth(results: list[dict[str, Any]]) -> None:
    """Print how the smallest size and each larger one compare."""
    small = min(results, key=lambda r: r["patients"])
    for large in sorted(results, key=lambda r: r["patients"]):
        if small is large:
            continue
        most = next(bound for size, bound in GROWTH if large["patients"] <= size)
        say(
            f"\nGrowth of p50, one connection, {small['patients']:,} to {large['patients']:,} patients (asked for: <= {most})"
        )
        for item in ITEMS:
            found = [
                (at(one, (item, "c1", "app", "p50")) or at(one, (item, "p50")), at(one, (item, "c1", "ratio")))
                for one in (small, large)
            ]
            (before, ratio_before), (after, ratio_after) = found
            if before and after:
                ratio = (
                    f"   (of the ratio to the bare view: {ratio_after / ratio_before:.2f})"
                    if ratio_before and ratio_after
                    else ""
                )
                say(f"  {item:<10}{after / before:.2f}{ratio}{'' if after / before <= most else '   not met'}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="script/bench", description="Times what people wait for, beside a bare view.")
    parser.add_argument("items", nargs="*", metavar="|".join((*PARTS, *ITEMS)), help="what to measure (all)")
    parser.add_argument(
        "--patients", nargs="+", type=int, help="sizes; 1,000 and 100,000, and for schedule 1,000,000 as well"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    parser.add_argument("--crowd", type=int, default=100, help="rounds of sixteen clients on one slot")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    chosen = parser.parse_args(arguments)
    words = chosen.items
    named = {item for word in words for item in PARTS.get(word, (word,))}
    if unknown := named - set(ITEMS):
        parser.error(f"There is no item {', '.join(sorted(unknown))}: say {' or '.join((*PARTS, *ITEMS))}.")
    chosen.items = [item for item in ITEMS if item in named] or list(ITEMS)
    chosen.patients = chosen.patients or (ALL_SIZES if "schedule" in words else SIZES)
    devservices.SETTINGS |= POSTGRESQL
    report: dict[str, Any] = {"on": datetime.now(UTC).date().isoformat(), "machine": machine(), "sizes": []}
    try:
        with devservices.stopping_on_signals():
            for patients in chosen.patients:
                report["sizes"].append(one_size(patients, chosen))
                show(report["sizes"][-1])
        show_growth(report["sizes"])
    except devservices.CannotStart as refusal:
        say(str(refusal))
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if chosen.json and report["sizes"]:
            chosen.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
