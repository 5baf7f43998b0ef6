"""What all tests share: `make check` starts no process, and picking tests by T= may leave an environment none."""

import subprocess

import pytest


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.option.keyword:
        session.exitstatus = 0


@pytest.fixture(autouse=True)
def no_process_in_check(request, monkeypatch):
    """In `make check`, a test without the mark `process` can't start one: so that the loop stays quick, and honest."""
    if "not process" in (request.config.option.markexpr or ""):

        def refuse(*args, **kwargs):
            pytest.fail("starts a process: mark it with pytest.mark.process")

        monkeypatch.setattr(subprocess, "Popen", refuse)
