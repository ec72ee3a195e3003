"""The long measurements of `make trust` in short: random stops, writers that are killed, random bytes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from benchmarks import trust, trust_disk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


def test_a_killed_writer_and_a_failing_disk_lose_no_step():
    kills, writes = trust_disk.kills(1)
    assert kills.endswith(" 0 steps lost.")
    assert int(kills.split(":")[1].split()[0]) >= 15
    assert "no step lost" in writes


def test_random_bytes_crash_nothing():
    lines = trust_disk.fuzz(1500)
    assert len(lines) == 4
    assert all(" 0 crashes" in line for line in lines), lines


def test_stops_at_random_moments_end_every_task():
    lines = asyncio.run(trust.stops(7))
    assert len(lines) == 4 + len(trust.KINDS)
    assert "7 random moments" in lines[0]
