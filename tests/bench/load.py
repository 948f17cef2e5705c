"""A closed-loop client over kept connections: one process a connection, so that the client is not its own limit."""

import http.client
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

# (method, path, body, headers) -> what to send next; the answer is checked by the second function.
Request = tuple[str, str, bytes, dict[str, str]]
Ask = Callable[[int], Request]
Check = Callable[[int, bytes], bool]


@dataclass
class Figures:
    """One run: milliseconds by percentile, requests a second, and how many answers were wrong."""

    count: int
    wrong: int
    per_second: float
    p50: float
    p95: float
    p99: float
    bytes: int


def run(port: int, ask: Ask, check: Check, *, connections: int, seconds: float) -> Figures:
    """Send requests for ``seconds`` over so many connections, each waiting for its answer, and return the figures."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[tuple[list[float], int, int]] = context.Queue()
    began = time.monotonic()
    workers = [
        context.Process(target=_loop, args=(port, ask, check, seconds, number, queue)) for number in range(connections)
    ]
    for worker in workers:
        worker.start()
    times: list[float] = []
    wrong = size = 0
    for _worker in workers:
        took, bad, length = queue.get(timeout=seconds + 60)
        times += took
        wrong += bad
        size = max(size, length)
    for worker in workers:
        worker.join()
    elapsed = time.monotonic() - began
    return figures(times, wrong, size, elapsed)


def figures(times: list[float], wrong: int, size: int, elapsed: float) -> Figures:
    """Return the percentiles of ``times`` (seconds) in milliseconds."""
    if not times:
        return Figures(0, wrong, 0.0, 0.0, 0.0, 0.0, size)
    cut = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
    return Figures(
        count=len(times), wrong=wrong, per_second=len(times) / elapsed, p50=cut[49] * 1000, p95=cut[94] * 1000,
        p99=cut[98] * 1000, bytes=size,
    )  # fmt: skip


def _loop(
    port: int,
    ask: Ask,
    check: Check,
    seconds: float,
    number: int,
    queue: "multiprocessing.Queue[tuple[list[float], int, int]]",
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times, wrong, size, turn = [], 0, 0, number * 1_000_000
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        method, path, body, headers = ask(turn)
        turn += 1
        began = time.perf_counter()
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        times.append(time.perf_counter() - began)
        size = max(size, len(content))
        wrong += not check(answer.status, content)
    connection.close()
    queue.put((times, wrong, size))
