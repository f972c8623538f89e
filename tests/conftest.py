"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import local_model as small
from pinned import Failure
from tests.dialects import summary

# No test asserts a time, and a busy machine makes examples slowly: that is no failure.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


@dataclass(frozen=True)
class LocalModel:
    """A real model behind a real llama-server: `url` without /v1, and the file where the server says what it does."""

    url: str
    log: Path
    name: str = small.MODEL

    @property
    def started(self) -> int:
        """Return how many answers it has begun."""
        return self.log.read_text().count("processing task,")

    @property
    def cancelled(self) -> int:
        """Return how many answers it gave up because the caller had gone away."""
        return self.log.read_text().count("stop: cancel task")


@pytest.fixture(scope="session")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModel]:
    """Serve the real local model; skips where `scripts/local_model.py install` has not made it ready."""
    ready = small.installed()
    if ready is None:
        pytest.skip("no local model here: run `python scripts/local_model.py install`")
    log = tmp_path_factory.mktemp("llama-server") / "log"
    try:
        with small.serving(log=log, what=ready) as url:
            yield LocalModel(url, log)
    except Failure as failure:
        pytest.skip(f"the local model does not run: {failure}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run on one process more than there are cores: a part of the tests waits for others."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a report travel between processes, whatever half characters a test has printed."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what came of the recordings."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())]
    if lines := summary.lines(reports):
        terminalreporter.section("recordings × dialects")
        terminalreporter.write_line("\n".join(lines))
