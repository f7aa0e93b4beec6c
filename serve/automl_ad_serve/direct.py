"""The direct door: every Serve replica runs the grpc.aio host on its node's port, shared by SO_REUSEPORT.

Requests never pass through Serve, so that one row costs what it costs on the bare host. The kernel spreads
connections, not requests, over the replicas of a node.
"""

from __future__ import annotations

from dataclasses import replace

from automl_ad.rpc.host import Host
from automl_ad.rpc.service_options import ServiceOptions
from automl_ad_serve.autoscaling import CALLS, CallsInProgress
from automl_ad_serve.replica import metrics_page, prepared


class DirectHost:
    """One replica: reads the models itself and listens for as long as it lives."""

    async def __init__(self, service: ServiceOptions) -> None:  # type: ignore[misc]
        """Serve awaits it, and calls the replica healthy only afterwards."""
        models, metrics, self._send_last_spans = prepared(service)
        self._host = Host(models, replace(service.host, shares_port=True, metrics_port=None), metrics)
        gate = self._host.engine.gate
        self._calls = CallsInProgress(lambda: gate.in_progress)
        self._page = metrics_page(metrics, service.host)
        await self._host.start()  # last: nothing listens where one of the others failed

    async def check_health(self) -> None:
        """Serve awaits it on the event loop of the host: an answer in time means that calls are answered."""

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Serve asks every few seconds, for the policy of `autoscaling`."""
        return {CALLS: self._calls.read()}

    async def __del__(self) -> None:
        """Serve awaits it before it ends the process: clients are sent away, no running call is cut off."""
        self._calls.stop()
        await self._host.stop()
        if self._page is not None:
            self._page.close()
        self._send_last_spans()
