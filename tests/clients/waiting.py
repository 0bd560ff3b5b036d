"""Waiting for what takes its time, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Job

Found = TypeVar("Found")

TERMINAL = {"Completed", "Failed", "Canceled"}


def until(found: Callable[[], Found | None], what: str, seconds: float = 120) -> Found:
    """What is found at last."""
    limit = time.monotonic() + seconds
    while (result := found()) is None:
        if time.monotonic() > limit:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.1)
    return result


def ended(ml: MLClient, name: str) -> Job:
    """A job that has come to its end."""

    def job() -> Job | None:
        known = ml.jobs.get(name)
        return known if known.status in TERMINAL else None

    return until(job, f"the end of job {name}")
