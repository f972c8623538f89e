"""What watches a gateway while it runs: the access log, the heartbeat of its loop, traces if they are wanted."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mini_llm.errors import MiniLLMError
from mini_llm.gateway import access_log
from mini_llm.gateway.access_log import AccessLog
from mini_llm.gateway.state import Gateway

if TYPE_CHECKING:
    from mini_llm.gateway.otel import Traces

# Where the collector is; OpenTelemetry's own variables.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACES_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Observation:
    """Observe *gateway* from `start` to `close`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._traces: Traces | None = None
        self.log = AccessLog(gateway.runtime.loaded.paths.logs / access_log.NAME, self._redact, screen=sys.stderr)

    def start(self) -> None:
        """Begin. Nothing here may keep the gateway from its work: what fails is told in the log."""
        environ = self._gateway.runtime.environ
        self.log.start(level=logging.DEBUG if environ.get("MINI_LLM_DEBUG") else logging.INFO)
        self._gateway.log = self.log
        self._gateway.heartbeat.start()
        self._gateway.observers.append(self.log)
        self._traces = self._wanted_traces(environ)
        if self._traces is not None:
            self._gateway.observers.append(self._traces)

    async def close(self) -> None:
        """Write and send what waits."""
        self._gateway.heartbeat.stop()
        if self._traces is not None:
            try:
                async with asyncio.timeout(TRACES_SECONDS):
                    await asyncio.to_thread(self._traces.close)
            except TimeoutError:
                _log.warning("the collector of traces does not answer: the last ones are lost")
        await asyncio.to_thread(self.log.close)

    def _wanted_traces(self, environ: Mapping[str, str]) -> Traces | None:
        endpoint = self._endpoint(environ)
        if not endpoint:
            return None
        try:
            from mini_llm.gateway.otel import Traces  # an extra, and 0.5 s: only for those who want it
        except ImportError:
            _log.warning("no traces are sent: pip install 'mini-llm[otel]'")
            return None
        return Traces(self._redact, self._address, endpoint=endpoint)

    def _endpoint(self, environ: Mapping[str, str]) -> str:
        """Return where traces go, "" if none are wanted. What the environment says goes first."""
        whole, base = (environ.get(name, "") for name in ENDPOINTS)
        base = base or self._gateway.runtime.loaded.config.gateway.otel
        return whole or (f"{base.rstrip('/')}/v1/traces" if base else "")

    def _redact(self, text: str) -> str:
        return self._gateway.runtime.credentials.redact(text)

    def _address(self, provider: str) -> str:
        try:
            return self._gateway.runtime.registry.get(provider).base_url
        except MiniLLMError:  # it was removed meanwhile
            return ""
