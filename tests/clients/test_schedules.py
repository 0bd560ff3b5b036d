"""Schedules of pipeline jobs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import CronTrigger, JobSchedule
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from test_jobs import pipeline_of
from training import with_cluster, with_data
from waiting import ended


def scheduled(ml: MLClient, folder: Path, name: str = "weekly", zone: str = "W. Europe Standard Time") -> JobSchedule:
    """A schedule of a pipeline on Mondays."""
    with_cluster(ml)
    trigger = CronTrigger(expression="15 10 * * 1", start_time=datetime(2026, 1, 5), time_zone=zone)
    job = pipeline_of(with_data(ml, folder), trials=1)
    return JobSchedule(name=name, trigger=trigger, create_job=job, tags={"suite": "clients"})


def test_a_schedule_is_made_changed_and_deleted(ml: MLClient, tmp_path: Path) -> None:
    made = ml.schedules.begin_create_or_update(scheduled(ml, tmp_path)).result()
    assert (made.name, made.is_enabled, made.provisioning_state) == ("weekly", True, "Succeeded")
    got = ml.schedules.get("weekly")
    assert (got.trigger.expression, got.trigger.time_zone) == ("15 10 * * 1", "W. Europe Standard Time")
    assert (got.tags["suite"], got.create_job.experiment_name) == ("clients", "people")
    assert [known.name for known in ml.schedules.list()] == ["weekly"]

    with pytest.raises(HttpResponseError, match="disable it first"):
        ml.schedules.begin_delete("weekly").result()
    assert ml.schedules.begin_disable("weekly").result().is_enabled is False
    assert list(ml.schedules.list()) == []
    assert [known.name for known in ml.schedules.list(list_view_type="DisabledOnly")] == ["weekly"]
    assert ml.schedules.begin_enable("weekly").result().is_enabled is True
    ml.schedules.begin_disable("weekly").result()
    ml.schedules.begin_delete("weekly").result()
    with pytest.raises(ResourceNotFoundError):
        ml.schedules.get("weekly")


def test_a_schedule_is_triggered_by_hand(ml: MLClient, tmp_path: Path) -> None:
    ml.schedules.begin_create_or_update(scheduled(ml, tmp_path)).result()
    triggered = ml.schedules.trigger("weekly")
    assert triggered.job_name.startswith("weekly-")
    assert ended(ml, triggered.job_name).status == "Completed"
    assert [job.name for job in ml.jobs.list()] == [triggered.job_name]
    ml.schedules.begin_disable("weekly").result()
    with pytest.raises(HttpResponseError, match="disabled"):
        ml.schedules.trigger("weekly")


def test_a_zone_that_azure_does_not_know_is_refused(ml: MLClient, tmp_path: Path) -> None:
    with pytest.raises(HttpResponseError, match="Europe/Berlin"):
        ml.schedules.begin_create_or_update(scheduled(ml, tmp_path, zone="Europe/Berlin")).result()
