"""Requests to end wait while something must not be left half done, whichever thread the system gives them to."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from bench.signals import deferred


@pytest.mark.skipif(os.name == "nt", reason="signals as on Unix")
@pytest.mark.parametrize("threads", [0, 3])
def test_a_signal_is_acted_on_after_the_block_and_once(threads: int) -> None:
    came: list[str] = []
    over = threading.Event()
    others = [threading.Thread(target=over.wait) for _ in range(threads)]
    for other in others:
        other.start()
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append("acted on"))
    try:
        with deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(100):
                time.sleep(0.001)
            came.append("end of the block")
        for _ in range(100):
            time.sleep(0.001)
    finally:
        signal.signal(signal.SIGTERM, before)
        over.set()
        for other in others:
            other.join()
    assert came == ["end of the block", "acted on"]
