"""Processes of a measurement: start a server and wait for it, find what it started, weigh it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

AUTOML_AD = str(Path(sys.executable).with_name("automl-ad"))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def listening(command: Sequence[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """The process of a server, from its line `listening on ...` to the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    try:
        while not (line := process.stdout.readline()).startswith("listening on "):
            if not line:
                raise SystemExit(f"did not start: {' '.join(command)}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def descendants(root: int) -> list[int]:
    """The process and everything that it or its children started."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += parents.get(pid, [])
    return found


def replicas(root: int) -> list[int]:
    """The replicas of Ray Serve that the process started; itself where it runs none."""
    found = [pid for pid in descendants(root) if "ServeReplica" in _command_line(pid)]
    return found or [root]


def pss_bytes(pid: int) -> int:
    """Its share of memory: a page that several processes use counts in parts. 0: it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
