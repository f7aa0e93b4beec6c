"""The direct door: every Serve replica runs the grpc.aio host on its node's port, shared by SO_REUSEPORT.

Requests never pass through Serve, so that one row costs what it costs on the bare host. The kernel spreads
connections, not requests, over the replicas of a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from automl_ad.artifact import Scorer
from automl_ad.rpc.host import Host, HostOptions


class DirectHost:
    """One replica: loads the artifacts of its own node and listens for as long as it lives."""

    async def __init__(self, artifacts: Sequence[Path], options: HostOptions) -> None:  # type: ignore[misc]
        """Serve awaits it, and calls the replica healthy only afterwards."""
        self._host = Host([Scorer.load(path) for path in artifacts], options)
        await self._host.start()

    async def __del__(self) -> None:
        """Serve awaits it before it ends the process: no running call is cut off."""
        await self._host.stop()
