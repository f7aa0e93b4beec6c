"""Minutes of mixed load while champions are promoted, replicas are killed, and clients misbehave.

    python tests/benchmarks/soak.py [--minutes 10] [--host] [--json FILE]

A service over TLS with tokens, two replicas on Ray Serve's direct door (`--host`: one grpc.aio process, which
nobody kills), over a registry of three models. Every answer to a good client is compared, bit for bit, with
the library's scores of the version that the answer names. Every 20 s another version becomes champion; every
60 s a replica gets SIGKILL. Beside them clients cancel, set tiny deadlines, send garbage, half a handshake,
hold connections open, send too much, show wrong tokens, and read streams slowly.

Exit code 1: a wrong score; a message that tells of the server's inside; a good client with retries that
failed; a promotion that was never seen; or memory that grew by more than 20 %. Memory is the summed PSS of
the server and of everything that it started, the median of the samples of minute 2 (pools and caches have
filled by then) against that of the last whole minute; samples while a replica is missing do not count.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import soak_good
import soak_hostile
import soak_world
from processes import AUTOML_AD, descendants, free_port, listening, pss_bytes, replicas
from soak_tally import Tally
from soak_world import SWAPPED, World

PROMOTE_S, KILL_S, SAMPLE_S = 20.0, 60.0, 5.0
MAX_GROWTH = 1.2
N_VERSIONS = 3
OUTAGE_GAP_S, MAX_LINES = 2.0, 20
CLIENTS: tuple[tuple[Callable[..., Tally], int], ...] = (
    (soak_good.with_client, 2),
    (soak_good.without_retries, 2),
    (soak_hostile.hostile, 2),
    (soak_hostile.slow_reader, 1),
)
"""What runs, in how many processes."""


@dataclass(kw_only=True, slots=True)
class Log:
    """What was done to the service, and how large it was; times in seconds since the epoch."""

    started: float = field(default_factory=time.time)
    promotions: list[tuple[float, str]] = field(default_factory=list)
    kills: list[tuple[float, float]] = field(default_factory=list)
    """(when, seconds until there were as many replicas as before; NaN: never)."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """(when, bytes), all replicas being there."""

    def minute(self, number: int) -> float:
        """Median MiB of a minute, from 1; NaN without a sample."""
        begin = self.started + 60 * (number - 1)
        sizes = [size for when, size in self.memory if begin <= when < begin + 60]
        return statistics.median(sizes) / 2**20 if sizes else float("nan")


def main() -> int:
    """1 where the service did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--host", action="store_true", help="one grpc.aio process instead of Ray Serve")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # the service and the clients end with this process
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), seconds=60 * options.minutes, on_ray=not options.host)
    print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["failures"] else 0


def soak(folder: Path, *, seconds: float, on_ray: bool) -> dict:
    """Everything that was counted."""
    registry, versions, scores, rows_MF = soak_world.write(folder, N_VERSIONS)
    ca, certificate, key = soak_world.write_certificates(folder)
    token = soak_world.write_keys(folder / "keys.toml")
    port = free_port()
    world = World(address=f"127.0.0.1:{port}", rows_MF=rows_MF, scores=scores, token=token, ca=ca)
    command = [AUTOML_AD, "serve", "--registry", str(registry), "--port", str(port), "--poll", "2s"]
    command += ["--tls-cert", str(certificate), "--tls-key", str(key), "--keys", str(folder / "keys.toml")]
    command += ["--ray", "--replicas", "2"] if on_ray else []
    with (folder / "server.log").open("w") as log, listening(command, stderr=log) as server:
        events, tally = run(world, registry, versions, server.pid, seconds=seconds)
        is_alive = server.poll() is None
    said = (folder / "server.log").read_text(errors="replace")
    return report_of(events, tally, is_alive=is_alive, n_tracebacks=said.count("Traceback"))


def run(world: World, registry: Path, versions: list[str], pid: int, *, seconds: float) -> tuple[Log, Tally]:
    """Load for so long, with everything that happens meanwhile."""
    context = multiprocessing.get_context("spawn")
    n_processes = sum(count for _, count in CLIENTS)
    with context.Manager() as manager, ProcessPoolExecutor(n_processes, mp_context=context) as pool:
        stopped = manager.Event()
        clients: list[Future[Tally]] = [
            pool.submit(work, world, stopped, seed) for work, count in CLIENTS for seed in range(count)
        ]
        try:
            events = disturb(registry, versions, pid, seconds, clients)
        finally:
            stopped.set()
        total = Tally()
        for client in clients:
            total.add(client.result(timeout=120))
    return events, total


def disturb(
    registry: Path, versions: list[str], pid: int, seconds: float, clients: list[Future[Tally]]
) -> Log:
    """Promote, kill and weigh until the time is over; a client that ends before raises what ended it."""
    from automl_ad.artifact.registry import Registry

    opened, events, rng = Registry.open(registry), Log(), random.Random(0)
    n_replicas = len(replicas(pid))
    is_killed = n_replicas > 1
    due = {"promote": events.started + PROMOTE_S / 2, "kill": events.started + KILL_S / 2}
    while (now := time.time()) < events.started + seconds:
        for ended in wait(clients, timeout=0).done:
            ended.result()
        if now >= due["promote"]:
            due["promote"] += PROMOTE_S
            version = versions[(len(events.promotions) + 1) % len(versions)]
            opened.promote(SWAPPED, version)
            events.promotions.append((time.time(), version))
        if is_killed and now >= due["kill"] and now < events.started + seconds - KILL_S / 4:
            due["kill"] += KILL_S
            os.kill(rng.choice(replicas(pid)), signal.SIGKILL)
            events.kills.append((time.time(), float("nan")))
        _look(pid, n_replicas, events)
        time.sleep(0.5)
    return events


def _look(pid: int, n_replicas: int, events: Log) -> None:
    """Note that a replica has come back, and how large everything is."""
    now, n_there = time.time(), len(replicas(pid))
    if n_there < n_replicas:
        return
    if events.kills and events.kills[-1][1] != events.kills[-1][1] and now > events.kills[-1][0] + 0.4:
        events.kills[-1] = (events.kills[-1][0], now - events.kills[-1][0])
    if not events.memory or now >= events.memory[-1][0] + SAMPLE_S:
        events.memory.append((now, sum(map(pss_bytes, descendants(pid)))))


def report_of(events: Log, tally: Tally, *, is_alive: bool, n_tracebacks: int) -> dict:
    """One JSON document."""
    n_minutes = max(1, int((events.memory[-1][0] - events.started) // 60)) if events.memory else 1
    memory = {f"minute {number}": round(events.minute(number)) for number in range(1, n_minutes + 1)}
    reference = events.minute(min(2, n_minutes))
    seen = [_seen(events, tally, index) for index in range(len(events.promotions))]
    calls = tally.sums()
    retried = {kind: row for kind, row in calls.items() if kind.startswith("client, ")}
    failures = {
        "the server ended": not is_alive,
        "wrong scores": bool(tally.wrong),
        "the server's inside told": bool(tally.leaks),
        "a good client with retries failed": any(row["sent"] > row.get("OK", 0) for row in retried.values()),
        "a promotion was never seen": any(first is None for first, _ in seen),
        "memory grew": events.minute(n_minutes) > MAX_GROWTH * reference,
    }
    return {
        "failures": [what for what, is_so in failures.items() if is_so],
        "calls": calls,
        "wrong": tally.wrong[:20],
        "n_wrong": len(tally.wrong),
        "leaks": tally.leaks[:20],
        "examples": tally.examples,
        "n_promotions": len(events.promotions),
        "s_to_first_answer": [first for first, _ in seen if first is not None],
        "s_to_last_old_answer": [last for _, last in seen if last is not None],
        "n_kills": len(events.kills),
        "kills_at_s": [when - events.started for when, _ in events.kills],
        "outages_s": _outages([when - events.started for when in tally.failed_at]),
        "s_to_all_replicas": [back for _, back in events.kills],
        "memory_mib": memory,
        "memory_growth": events.minute(n_minutes) / reference,
        "tracebacks_in_the_log": n_tracebacks,
    }


def _seen(events: Log, tally: Tally, index: int) -> tuple[float | None, float | None]:
    """Seconds from a promotion to the first answer of its version, and to the last change to it."""
    begin, version = events.promotions[index]
    later = events.promotions[index + 1][0] if index + 1 < len(events.promotions) else float("inf")
    times = [when - begin for when, _, new in tally.changes if begin <= when < later and new == version]
    is_cut = later == float("inf") and time.time() - begin < PROMOTE_S  # promoted just before the end
    if not times:
        return (0.0, None) if is_cut else (None, None)
    return min(times), max(times)


def _outages(failed_at: list[float]) -> list[tuple[float, float, int]]:
    """(begin, end, failed calls) of the times in which good clients failed, retries or not."""
    found: list[tuple[float, float, int]] = []
    for when in sorted(failed_at):
        begin, end, count = found[-1] if found else (when, when, 0)
        if when - end <= OUTAGE_GAP_S:
            found[-1:] = [(begin, when, count + 1)]
        else:
            found.append((when, when, 1))
    return found


def print_report(report: dict) -> None:
    """Tables for a person."""
    statuses = sorted({status for row in report["calls"].values() for status in row} - {"sent"})
    print(f"| client | sent | {' | '.join(statuses)} |\n|{'---|' * (len(statuses) + 2)}")
    for kind, row in report["calls"].items():
        cells = [str(row.get(status, "")) for status in ("sent", *statuses)]
        print(f"| {kind} | {' | '.join(cells)} |")
    print(f"wrong scores: {report['n_wrong']} {report['wrong'][:3]}")
    print(f"messages that tell of the server's inside: {len(report['leaks'])} {report['leaks'][:3]}")
    print(f"promotions: {report['n_promotions']}; to the first answer {_spread(report['s_to_first_answer'])}")
    print(f"  until nobody was answered by the old version {_spread(report['s_to_last_old_answer'])}")
    print(f"replicas killed: {report['n_kills']}; back after {_spread(report['s_to_all_replicas'])}")
    for begin, end, count in report["outages_s"][:MAX_LINES]:
        print(f"  from {begin:.1f} s to {end:.1f} s {count} calls of good clients failed")
    print(f"memory, MiB: {report['memory_mib']}; growth {report['memory_growth']:.2f}")
    print(f"tracebacks in the server's log: {report['tracebacks_in_the_log']}")
    print("FAILED: " + ", ".join(report["failures"]) if report["failures"] else "passed")


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "-"
    return f"median {statistics.median(seconds):.1f} s, most {max(seconds):.1f} s"


if __name__ == "__main__":
    sys.exit(main())
