"""AutoML of numbers and of time series, with rows to be tested on: the jobs, their metrics by MLflow, their models served."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient, automl
from azure.ai.ml.automl import ForecastingJob, ForecastingSettings, RegressionJob
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data, ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.identity import ClientSecretCredential
from mlflow.tracking import MlflowClient

from settings import Place, Settings
from training import BEST, CLUSTER, with_cluster
from waiting import ended

DATA = Path(__file__).parents[2] / "data"
ERRORS = {"mean_absolute_error", "root_mean_squared_error", "median_absolute_error", "root_mean_squared_log_error"}
METRICS = {
    *ERRORS,
    *(f"normalized_{error}" for error in ERRORS),
    "r2_score",
    "explained_variance",
    "spearman_correlation",
    "mean_absolute_percentage_error",
}


@pytest.fixture
def runs(settings: Settings, place: Place, credential: ClientSecretCredential) -> Iterator[MlflowClient]:
    """MLflow of the scenario's workspace, with a token where it looks for one."""
    os.environ["MLFLOW_TRACKING_TOKEN"] = credential.get_token("https://management.azure.com/.default").token
    yield MlflowClient(f"{settings.url}/mlflow/v2.0{place.arm_id}")
    del os.environ["MLFLOW_TRACKING_TOKEN"]


def rows_of(file: str) -> list[dict[str, str]]:
    """A file of the repository's data."""
    return list(csv.DictReader((DATA / file).open()))


def asset(ml: MLClient, folder: Path, name: str, rows: list[dict[str, str]]) -> Input:
    """Rows as a data asset."""
    folder = folder / name
    folder.mkdir()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "rows.csv").write_text(text.getvalue())
    (folder / "MLTable").write_text(
        "paths:\n  - file: ./rows.csv\n"
        "transformations:\n  - read_delimited:\n      delimiter: ','\n      header: all_files_same_headers\n"
    )
    data = ml.data.create_or_update(Data(name=name, version="1", path=str(folder), type=AssetTypes.MLTABLE))
    return Input(type=AssetTypes.MLTABLE, path=f"azureml:{data.name}:{data.version}")


def on_unseen_rows(runs: MlflowClient, best: str) -> dict[str, float]:
    """The metrics of the best model on rows it has not seen: those of a run below it."""
    run = runs.get_run(f"{best}_test")
    assert run.data.tags["mlflow.parentRunId"] == best
    return run.data.metrics


def answers(ml: MLClient, endpoint: str, best: str, folder: Path, columns: list[str], data: list[list]) -> list[float]:
    """What the best model says of rows, as it is served."""
    path = f"azureml://jobs/{best}/outputs/artifacts/paths/outputs/mlflow-model/"
    model = ml.models.create_or_update(Model(name="best", path=path, type=AssetTypes.MLFLOW_MODEL))
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=endpoint, auth_mode="key")).result()
    ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue", endpoint_name=endpoint, model=f"azureml:{model.name}:{model.version}",
            instance_type="Standard_DS3_v2", instance_count=1,
        )
    ).result()
    request = folder / "request.json"
    request.write_text(json.dumps({"input_data": {"columns": columns, "index": list(range(len(data))), "data": data}}))
    return json.loads(ml.online_endpoints.invoke(endpoint, request_file=str(request), deployment_name="blue"))


def test_a_regression_with_rows_to_be_tested_on(
    ml: MLClient, runs: MlflowClient, name: Callable[[str], str], tmp_path: Path
) -> None:
    with_cluster(ml)
    cars = rows_of("autompg.csv")
    train, test = [car for number, car in enumerate(cars) if number % 5], cars[::5]
    job = automl.regression(
        compute=CLUSTER,
        training_data=asset(ml, tmp_path, "train", train),
        test_data=asset(ml, tmp_path, "test", test),
        target_column_name="mpg",
        primary_metric="r2_score",
        n_cross_validations=3,
    )
    job.set_limits(max_trials=2, max_concurrent_trials=2, timeout_minutes=10)
    job.set_training(
        allowed_training_algorithms=["ElasticNet", "RandomForest"], enable_vote_ensemble=False, enable_stack_ensemble=False
    )
    job = ended(ml, ml.jobs.create_or_update(job).name)
    assert isinstance(job, RegressionJob)
    assert job.status == "Completed"
    best = job.tags[BEST]
    validated, on_test = runs.get_run(best).data.metrics, on_unseen_rows(runs, best)
    assert METRICS <= set(validated) and METRICS <= set(on_test)
    assert 0.7 < on_test["r2_score"] < 1 and on_test["r2_score"] != validated["r2_score"]
    columns = [column for column in cars[0] if column != "mpg"]
    said = answers(ml, name("cars"), best, tmp_path, columns, [[car[column] for column in columns] for car in test])
    off = [abs(said - float(car["mpg"])) for said, car in zip(said, test, strict=True)]
    # The model that is served is the one that was tested.
    assert sum(off) / len(off) == pytest.approx(on_test["mean_absolute_error"], abs=1e-9)


def test_a_forecast_with_weeks_to_be_tested_on(
    ml: MLClient, runs: MlflowClient, name: Callable[[str], str], tmp_path: Path
) -> None:
    with_cluster(ml)
    weeks = rows_of("co2.csv")
    train, test = weeks[:-26], weeks[-26:]
    job = automl.forecasting(
        compute=CLUSTER,
        training_data=asset(ml, tmp_path, "train", train),
        test_data=asset(ml, tmp_path, "test", test),
        target_column_name="co2",
        primary_metric="normalized_root_mean_squared_error",
        n_cross_validations=3,
        forecasting_settings=ForecastingSettings(
            time_column_name="date", forecast_horizon=26, frequency="W", target_lags=[1, 52], target_rolling_window_size=4
        ),
    )
    job.set_limits(max_trials=3, max_concurrent_trials=2, timeout_minutes=10)
    job.set_training(
        allowed_training_algorithms=["SeasonalNaive", "Naive", "ElasticNet"],
        enable_vote_ensemble=False,
        enable_stack_ensemble=False,
    )
    job = ended(ml, ml.jobs.create_or_update(job).name)
    assert isinstance(job, ForecastingJob)
    assert job.status == "Completed"
    best = job.tags[BEST]
    validated, on_test = runs.get_run(best).data.metrics, on_unseen_rows(runs, best)
    assert METRICS <= set(validated) and METRICS <= set(on_test)
    scores = {
        child.data.params["algorithm"]: child.data.metrics["normalized_root_mean_squared_error"]
        for child in (runs.get_run(f"{job.name}_{number}") for number in range(3))
    }
    assert scores["ElasticNet"] < scores["SeasonalNaive"] < scores["Naive"]
    said = answers(ml, name("air"), best, tmp_path, ["date"], [[int(week["date"])] for week in test])
    off = [abs(said - float(week["co2"])) for said, week in zip(said, test, strict=True)]
    assert sum(off) / len(off) == pytest.approx(on_test["mean_absolute_error"], abs=1e-9)
    assert on_test["mean_absolute_error"] < 1
    # What the model has learnt from is not forecast.
    with pytest.raises(Exception, match="prior to the latest date"):
        answers(ml, name("air"), best, tmp_path, ["date"], [[int(train[-1]["date"])]])
