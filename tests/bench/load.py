"""A closed-loop client over kept connections: one process a connection, so that the client is not its own limit."""

import http.client
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# (method, path, body, headers)
Request = tuple[str, str, bytes, dict[str, str]]
# What connection number n sends at its turn t, and whether the answer is the right one: a fast mistake must not count.
Ask = Callable[[int, int], Request]
Check = Callable[[int, bytes], bool]


@dataclass
class Figures:
    """One run: milliseconds by percentile, requests a second, the largest answer, and how many were wrong."""

    count: int
    wrong: int
    per_second: float
    p50: float
    p95: float
    p99: float
    longest: float
    bytes: int
    # The most turns that one connection took: what the next run must not ask again.
    turns: int


Answers = tuple[list[float], int, int]


def run(port: int, ask: Ask, check: Check, *, connections: int, seconds: float) -> Figures:
    """Send requests for ``seconds`` over so many connections, each waiting for its answer, and return the figures."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[Answers] = context.Queue()
    workers = [
        context.Process(target=_loop, args=(port, ask, check, seconds, number, queue)) for number in range(connections)
    ]
    for worker in workers:
        worker.start()
    answers = [queue.get(timeout=seconds + 60) for _worker in workers]
    for worker in workers:
        worker.join()
    times = [took for own, _wrong, _size in answers for took in own]
    return figures(
        times,
        wrong=sum(wrong for _own, wrong, _size in answers),
        size=max(size for _own, _wrong, size in answers),
        # Each connection was busy from its first question to its last answer.
        elapsed=max(sum(own) for own, _wrong, _size in answers),
        turns=max(len(own) for own, _wrong, _size in answers),
    )


def figures(times: Sequence[float], *, wrong: int, size: int, elapsed: float, turns: int) -> Figures:
    """Return the percentiles of ``times`` (seconds) in milliseconds."""
    if not times:
        return Figures(0, wrong, 0.0, 0.0, 0.0, 0.0, 0.0, size, turns)
    cut = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else list(times) * 99
    return Figures(
        count=len(times), wrong=wrong, per_second=len(times) / elapsed, p50=cut[49] * 1000, p95=cut[94] * 1000,
        p99=cut[98] * 1000, longest=max(times) * 1000, bytes=size, turns=turns,
    )  # fmt: skip


def _loop(
    port: int, ask: Ask, check: Check, seconds: float, number: int, queue: "multiprocessing.Queue[Answers]"
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times: list[float] = []
    wrong = size = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            took, status, content = send(connection, ask(number, len(times)))
        except (OSError, http.client.HTTPException):
            # The server hung up or is gone. A new connection is made by the next question.
            wrong += 1
            connection.close()
            time.sleep(0.05)
            continue
        times.append(took)
        size = max(size, len(content))
        if not check(status, content):
            if not wrong:
                sys.stderr.write(f" (wrong: {status} {content[:120]!r}) ")
            wrong += 1
    connection.close()
    queue.put((times, wrong, size))


def send(connection: http.client.HTTPConnection, request: Request) -> tuple[float, int, bytes]:
    """Return how many seconds the answer took, its status and its body."""
    method, path, body, headers = request
    began = time.perf_counter()
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    return time.perf_counter() - began, answer.status, content


Bout = list[tuple[float, int]]


def at_once(port: int, ask: Ask, *, clients: int, rounds: int) -> list[Bout]:
    """Let so many clients ask in the same moment, round after round. Return each round's (seconds, status) of each."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[Bout] = context.Queue()
    gate = context.Barrier(clients)
    workers = [
        context.Process(target=_bouts, args=(port, ask, rounds, number, gate, queue)) for number in range(clients)
    ]
    for worker in workers:
        worker.start()
    answers = [queue.get(timeout=60 + 5 * rounds) for _worker in workers]
    for worker in workers:
        worker.join()
    return [[own[number] for own in answers] for number in range(rounds)]


def _bouts(
    port: int,
    ask: Ask,
    rounds: int,
    number: int,
    gate: "multiprocessing.synchronize.Barrier",
    queue: "multiprocessing.Queue[Bout]",
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    bout: Bout = []
    for turn in range(rounds):
        request = ask(number, turn)
        gate.wait(timeout=60)
        took, status, _content = send(connection, request)
        bout.append((took, status))
    connection.close()
    queue.put(bout)
