"""Experiments of AutoML on the table, small enough to end in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azure.ai.ml import Input, MLClient, automl
from azure.ai.ml.automl import ClassificationJob
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import AmlCompute, Data, Job, Model

from settings import Place
from tables import mltable
from waiting import ended

CLUSTER = "cpu-cluster"
EXPERIMENT = "people"
BEST = "automl_best_child_run_id"


@dataclass(frozen=True)
class Trained:
    """A workspace with a job of AutoML that is completed, and a model that was registered from its best child."""

    ml: MLClient
    place: Place
    data: Data
    job: Job
    best: str
    model: Model


def with_cluster(ml: MLClient) -> str:
    """A cluster of the workspace."""
    ml.compute.begin_create_or_update(AmlCompute(name=CLUSTER, size="Standard_DS3_v2", max_instances=2)).result()
    return CLUSTER


def with_data(ml: MLClient, folder: Path, rows: int = 120) -> Data:
    """The table as a data asset."""
    path = str(mltable(folder / "people", rows))
    return ml.data.create_or_update(Data(name="people", version="1", path=path, type=AssetTypes.MLTABLE))


def classification(data: Data, trials: int = 3, column: str = "y") -> ClassificationJob:
    """A job that learns a column of the table."""
    job = automl.classification(
        compute=CLUSTER,
        experiment_name=EXPERIMENT,
        training_data=Input(type=AssetTypes.MLTABLE, path=f"azureml:{data.name}:{data.version}"),
        target_column_name=column,
        primary_metric="AUC_weighted",
        n_cross_validations=3,
        tags={"suite": "clients"},
    )
    job.set_limits(max_trials=trials, max_concurrent_trials=2, timeout_minutes=10, trial_timeout_minutes=5)
    job.set_training(
        allowed_training_algorithms=["LogisticRegression", "DecisionTree", "RandomForest"],
        enable_stack_ensemble=False,
        enable_vote_ensemble=False,
    )
    return job


def trained(ml: MLClient, place: Place, folder: Path) -> Trained:
    """All of it, from nothing."""
    with_cluster(ml)
    data = with_data(ml, folder)
    job = ended(ml, ml.jobs.create_or_update(classification(data)).name)
    assert job.status == "Completed", job
    best = job.tags[BEST]
    path = f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/"
    model = ml.models.create_or_update(Model(name="people", path=path, type=AssetTypes.MLFLOW_MODEL))
    return Trained(ml, place, data, job, best, model)
