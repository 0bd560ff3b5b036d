"""Jobs of AutoML and of pipelines, from submission to their outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient, Output, automl, dsl
from azure.ai.ml.automl import ClassificationJob
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import Data, Model, PipelineJob
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import Control
from settings import Place
from training import BEST, CLUSTER, EXPERIMENT, Trained, classification, with_cluster, with_data
from waiting import ended, until


def pipeline_of(data: Data, trials: int = 2, column: str = "y") -> PipelineJob:
    """A pipeline whose one step is AutoML."""

    @dsl.pipeline(name="train", experiment_name=EXPERIMENT, default_compute=CLUSTER)
    def train(table):  # azure-ai-ml knows annotations of its own alone
        step = automl.classification(
            training_data=table,
            target_column_name=column,
            primary_metric="accuracy",
            n_cross_validations=3,
            outputs={"best_model": Output(type=AssetTypes.MLFLOW_MODEL)},
        )
        step.set_limits(max_trials=trials, timeout_minutes=10)
        step.set_training(
            allowed_training_algorithms=["LogisticRegression", "RandomForest"],
            enable_stack_ensemble=False,
            enable_vote_ensemble=False,
        )
        return {"model": step.outputs.best_model}

    return train(Input(type=AssetTypes.MLTABLE, path=f"azureml:{data.name}:{data.version}"))


def test_automl_runs_to_its_end(trained: Trained) -> None:
    job = trained.ml.jobs.get(trained.job.name)
    assert isinstance(job, ClassificationJob)
    assert (job.status, job.experiment_name, job.tags["suite"]) == ("Completed", EXPERIMENT, "clients")
    assert job.target_column_name == "y"
    assert job.limits.max_trials == 3
    assert job.services["Studio"].endpoint


def test_its_children_are_its_trials(trained: Trained) -> None:
    children = list(trained.ml.jobs.list(parent_job_name=trained.job.name))
    names = {child.name for child in children}
    assert {f"{trained.job.name}_{number}" for number in range(3)} <= names
    assert {child.status for child in children} == {"Completed"}
    assert trained.best in names


def test_jobs_are_listed_archived_and_restored(ml: MLClient, tmp_path: Path) -> None:
    with_cluster(ml)
    data = with_data(ml, tmp_path)
    name = ml.jobs.create_or_update(classification(data, trials=1)).name
    ended(ml, name)
    assert [job.name for job in ml.jobs.list()] == [name]
    ml.jobs.archive(name)
    assert list(ml.jobs.list()) == []
    assert [job.name for job in ml.jobs.list(list_view_type=ListViewType.ARCHIVED_ONLY)] == [name]
    ml.jobs.restore(name)
    assert [job.name for job in ml.jobs.list()] == [name]


def test_tags_of_a_job_are_changed_when_it_is_put_again(trained: Trained, control: Control) -> None:
    job = trained.ml.jobs.get(trained.job.name)
    job.tags["checked"] = "yes"
    job.display_name = "people, checked"
    trained.ml.jobs.create_or_update(job)
    got = trained.ml.jobs.get(trained.job.name)
    assert (got.tags["checked"], got.display_name) == ("yes", "people, checked")
    assert got.tags[BEST] == trained.best


def test_a_job_is_streamed_to_its_end(ml: MLClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_cluster(ml)
    name = ml.jobs.create_or_update(classification(with_data(ml, tmp_path), trials=1)).name
    ml.jobs.stream(name)
    told = capsys.readouterr().out
    assert f"RunId: {name}" in told and "Execution Summary" in told
    assert ml.jobs.get(name).status == "Completed"


def test_a_job_that_fails_says_why(ml: MLClient, tmp_path: Path) -> None:
    with_cluster(ml)
    name = ml.jobs.create_or_update(classification(with_data(ml, tmp_path), column="nothing")).name
    with pytest.raises(JobException, match="nothing"):
        ml.jobs.stream(name)
    assert ml.jobs.get(name).status == "Failed"


def test_a_job_that_is_told_to_fail_does(ml: MLClient, place: Place, control: Control, tmp_path: Path) -> None:
    with_cluster(ml)
    data = with_data(ml, tmp_path)
    reason = {"code": "OutOfMemory", "message": "The node ran out of memory."}
    control.fault("PUT", f"/{place.name}/jobs/", {"jobFails": reason}, count=1)
    name = ml.jobs.create_or_update(classification(data)).name
    with pytest.raises(JobException, match="The node ran out of memory"):
        ml.jobs.stream(name)


def test_a_job_is_canceled(ml: MLClient, tmp_path: Path) -> None:
    with_cluster(ml)
    job = classification(with_data(ml, tmp_path, rows=4000), trials=60)
    job.set_limits(max_trials=60, max_concurrent_trials=1)
    name = ml.jobs.create_or_update(job).name
    until(lambda: list(ml.jobs.list(parent_job_name=name)) or None, "a first trial")
    ml.jobs.begin_cancel(name).result()
    assert ended(ml, name).status == "Canceled"
    assert len(list(ml.jobs.list(parent_job_name=name))) < 60


def test_a_job_needs_a_cluster(ml: MLClient, tmp_path: Path) -> None:
    with pytest.raises((HttpResponseError, ResourceNotFoundError)) as refused:
        ml.jobs.create_or_update(classification(with_data(ml, tmp_path)))
    assert CLUSTER in str(refused.value)


def test_a_job_that_is_not_there(ml: MLClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        ml.jobs.get("nothing")


def test_a_pipeline_trains_and_gives_its_model(ml: MLClient, place: Place, control: Control, tmp_path: Path) -> None:
    with_cluster(ml)
    name = ml.jobs.create_or_update(pipeline_of(with_data(ml, tmp_path))).name
    job = ended(ml, name)
    assert isinstance(job, PipelineJob)
    assert job.status == "Completed"
    assert job.outputs["model"].type == "mlflow_model"
    (put,) = [a for a in control.requests(f"/{place.name}/jobs/{name}") if a["method"] == "PUT"]
    assert put["body"]["properties"]["jobs"]["step"]["type"] == "automl"
    (step,) = list(ml.jobs.list(parent_job_name=name))
    assert (step.display_name, step.status) == ("step", "Completed")
    # This version of the client can't download outputs that are models: it fails before it asks for them.
    model = ml.models.create_or_update(
        Model(name="people", path=f"azureml://jobs/{name}/outputs/model", type=AssetTypes.MLFLOW_MODEL)
    )
    ml.models.download("people", model.version, download_path=tmp_path / "got")
    assert [file.name for file in (tmp_path / "got").rglob("MLmodel")] == ["MLmodel"]


def test_a_pipeline_whose_step_fails_fails_with_it(ml: MLClient, tmp_path: Path) -> None:
    with_cluster(ml)
    name = ml.jobs.create_or_update(pipeline_of(with_data(ml, tmp_path), column="nothing")).name
    with pytest.raises(JobException):
        ml.jobs.stream(name)
    assert ml.jobs.get(name).status == "Failed"
    assert [step.status for step in ml.jobs.list(parent_job_name=name)] == ["Failed"]


def test_a_pipeline_that_waits_is_canceled(ml: MLClient, place: Place, control: Control, tmp_path: Path) -> None:
    with_cluster(ml)
    data = with_data(ml, tmp_path)
    control.fault("PUT", f"/{place.name}/jobs/", {"jobTakesMilliseconds": 600_000}, count=1)
    name = ml.jobs.create_or_update(pipeline_of(data)).name
    ml.jobs.begin_cancel(name).result()
    assert ended(ml, name).status == "Canceled"
    assert "Completed" not in [step.status for step in ml.jobs.list(parent_job_name=name)]


def test_the_model_of_the_best_trial_is_downloaded(trained: Trained, tmp_path: Path) -> None:
    trained.ml.jobs.download(trained.best, download_path=tmp_path)
    (found,) = tmp_path.rglob("MLmodel")
    assert found.parent.parts[-2:] == ("outputs", "mlflow-model")
    assert trained.best in found.read_text()
