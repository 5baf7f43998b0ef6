"""Waiting for what another process does."""

import time

LONG = 300  # seconds: no machine is so busy that it needs them; what takes longer hangs


def until(condition, process=None):
    """Waits until condition() is true and returns what it returned.

    Args:
      condition: called again and again.
      process: a Popen that must not end before.

    Raises:
      AssertionError: LONG seconds have passed, or the process has ended.
    """
    deadline = time.monotonic() + LONG
    while True:
        value = condition()
        if value:
            return value
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"waited for {LONG} seconds"
        time.sleep(0.005)
