"""Runs, metrics and artifacts, by MLflow alone and by MLflow with Azure's plugin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from azure.identity import ClientSecretCredential
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from settings import Settings
from tables import COLUMNS
from training import BEST, EXPERIMENT, Trained

METRICS = {"AUC_weighted", "accuracy", "f1_score_weighted", "log_loss", "norm_macro_recall", "precision_score_weighted"}


@pytest.fixture(autouse=True)
def token(credential: ClientSecretCredential, trained: Trained) -> Iterator[str]:
    """A token in the environment, where MLflow and the plugin look for one; and the run in which the plugin believes to be."""
    token = credential.get_token("https://management.azure.com/.default").token
    told = {"MLFLOW_TRACKING_TOKEN": token, "MLFLOW_RUN_ID": trained.job.name, "MLFLOW_EXPERIMENT_NAME": EXPERIMENT}
    os.environ.update(told)
    yield token
    for name in told:
        del os.environ[name]


@pytest.fixture
def plugin(settings: Settings, trained: Trained) -> Iterator[MlflowClient]:
    """MLflow by the tracking URI of the workspace, which azureml-mlflow takes."""
    uri = f"azureml://{settings.host}/mlflow/v1.0{trained.place.arm_id}"
    os.environ["MLFLOW_TRACKING_URI"] = uri
    yield MlflowClient(uri)
    del os.environ["MLFLOW_TRACKING_URI"]


@pytest.fixture
def plain(settings: Settings, trained: Trained) -> MlflowClient:
    """MLflow by the address of its REST interface."""
    return MlflowClient(f"{settings.url}/mlflow/v2.0{trained.place.arm_id}")


@pytest.fixture(params=["plain", "plugin"])
def client(request: pytest.FixtureRequest) -> MlflowClient:
    """Either."""
    return request.getfixturevalue(request.param)


def test_the_run_of_a_job_names_its_best_child(client: MlflowClient, trained: Trained) -> None:
    run = client.get_run(trained.job.name)
    assert run.info.status == "FINISHED"
    assert run.data.tags[BEST] == trained.best
    assert client.get_run(trained.best).data.tags["mlflow.parentRunId"] == trained.job.name


def test_a_trial_has_the_metrics_of_its_task(client: MlflowClient, trained: Trained) -> None:
    metrics = client.get_run(trained.best).data.metrics
    assert METRICS <= set(metrics)
    assert 0.5 < metrics["AUC_weighted"] <= 1
    history = client.get_metric_history(trained.best, "AUC_weighted")
    assert [entry.value for entry in history] == [metrics["AUC_weighted"]]


def test_the_best_child_is_the_best_by_the_primary_metric(client: MlflowClient, trained: Trained) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id],
        filter_string=f"tags.mlflow.parentRunId = '{trained.job.name}'",
        order_by=["metrics.AUC_weighted DESC"],
    )
    trials = [run for run in found if "AUC_weighted" in run.data.metrics]
    assert len(trials) == 3
    scores = [run.data.metrics["AUC_weighted"] for run in trials]
    assert scores == sorted(scores, reverse=True)
    best = client.get_run(trained.best).data.metrics["AUC_weighted"]
    assert best == scores[0]
    limited = client.search_runs([experiment.experiment_id], f"metrics.AUC_weighted >= {best}", max_results=1)
    assert len(limited) == 1


def test_runs_are_searched_page_by_page(client: MlflowClient, trained: Trained) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    first = client.search_runs([experiment.experiment_id], max_results=2)
    second = client.search_runs([experiment.experiment_id], max_results=2, page_token=first.token)
    assert len(first) == 2 and second
    assert not {run.info.run_id for run in first} & {run.info.run_id for run in second}


def test_artifacts_are_listed_and_downloaded_by_the_plugin(plugin: MlflowClient, trained: Trained, tmp_path: Path) -> None:
    outputs = {entry.path: entry.is_dir for entry in plugin.list_artifacts(trained.best, "outputs")}
    assert outputs["outputs/mlflow-model"] is True
    files = {entry.path for entry in plugin.list_artifacts(trained.best, "outputs/mlflow-model")}
    assert "outputs/mlflow-model/MLmodel" in files
    folder = Path(plugin.download_artifacts(trained.best, "outputs/mlflow-model", str(tmp_path)))
    assert (folder / "MLmodel").is_file() and (folder / "conda.yaml").is_file()
    assert trained.best in (folder / "MLmodel").read_text()


def test_a_model_tells_its_columns(plugin: MlflowClient, trained: Trained, tmp_path: Path) -> None:
    folder = plugin.download_artifacts(trained.best, "outputs/mlflow-model", str(tmp_path))
    # As mlflow.models.Model.load does, which needs numpy besides.
    model = yaml.safe_load((Path(folder) / "MLmodel").read_text())
    assert model["run_id"] == trained.best
    assert [column["name"] for column in json.loads(model["signature"]["inputs"])] == COLUMNS
    assert "python_function" in model["flavors"]


def test_an_experiment_and_a_run_that_are_not_there(client: MlflowClient) -> None:
    assert client.get_experiment_by_name("nothing") is None
    with pytest.raises(MlflowException, match="RESOURCE_DOES_NOT_EXIST|not found"):
        client.get_run("nothing")


def test_a_filter_that_can_not_be_read_is_refused(client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    with pytest.raises(MlflowException, match="Invalid"):
        client.search_runs([experiment.experiment_id], "nonsense")
