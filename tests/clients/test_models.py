"""Registered models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from training import Trained


def local(folder: Path) -> str:
    """A folder with something in it."""
    (folder / "model").mkdir()
    (folder / "model" / "weights.bin").write_bytes(bytes(range(256)))
    return str(folder / "model")


def test_a_model_of_a_job(trained: Trained) -> None:
    got = trained.ml.models.get(trained.model.name, trained.model.version)
    assert got.type == "mlflow_model"
    assert got.job_name == trained.best
    assert got.path.endswith(f"/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{trained.best}/outputs/mlflow-model")
    assert "python_function" in got.flavors


@pytest.mark.parametrize("form", ["azureml://jobs/{best}/outputs/artifacts/outputs/mlflow-model/", "runs:/{best}/outputs/mlflow-model"])
def test_a_model_by_other_names_of_the_same_place(trained: Trained, form: str, name: Callable[[str], str]) -> None:
    own = name("people")
    path = form.format(best=trained.best)
    made = trained.ml.models.create_or_update(Model(name=own, path=path, type=AssetTypes.MLFLOW_MODEL))
    assert (made.name, made.version) == (own, "1")


def test_a_model_of_a_job_is_downloaded(trained: Trained, tmp_path: Path) -> None:
    trained.ml.models.download(trained.model.name, trained.model.version, download_path=tmp_path)
    (found,) = tmp_path.rglob("MLmodel")
    assert trained.best in found.read_text()


def test_a_model_of_an_output_that_is_not_there(trained: Trained) -> None:
    path = f"azureml://jobs/{trained.best}/outputs/artifacts/paths/nothing/"
    with pytest.raises(HttpResponseError) as refused:
        trained.ml.models.create_or_update(Model(name="none", path=path, type=AssetTypes.MLFLOW_MODEL))
    assert refused.value.status_code == 400


def test_a_local_model_is_uploaded_and_downloaded(ml: MLClient, tmp_path: Path) -> None:
    made = ml.models.create_or_update(
        Model(name="own", path=local(tmp_path), type=AssetTypes.CUSTOM_MODEL, tags={"a": "b"}, stage="Development")
    )
    assert (made.version, made.type, made.tags) == ("1", "custom_model", {"a": "b"})
    ml.models.download("own", "1", download_path=tmp_path / "got")
    (found,) = (tmp_path / "got").rglob("weights.bin")
    assert found.read_bytes() == bytes(range(256))


def test_models_are_listed_archived_and_restored(ml: MLClient, tmp_path: Path) -> None:
    path = local(tmp_path)
    for _ in range(2):
        ml.models.create_or_update(Model(name="own", path=path, type=AssetTypes.CUSTOM_MODEL))
    assert [model.version for model in ml.models.list("own")] == ["2", "1"]
    assert [model.name for model in ml.models.list()] == ["own"]
    assert ml.models.get("own", label="latest").version == "2"
    ml.models.archive("own", "1")
    assert [model.version for model in ml.models.list("own")] == ["2"]
    assert [model.version for model in ml.models.list("own", list_view_type=ListViewType.ARCHIVED_ONLY)] == ["1"]
    ml.models.restore("own", "1")
    ml.models.archive("own")
    assert list(ml.models.list()) == []
    ml.models.restore("own")
    assert [model.name for model in ml.models.list()] == ["own"]


def test_tags_and_stage_of_a_model_are_changed(ml: MLClient, tmp_path: Path) -> None:
    made = ml.models.create_or_update(Model(name="own", path=local(tmp_path), type=AssetTypes.CUSTOM_MODEL))
    made.tags, made.stage, made.description = {"approved": "yes"}, "Production", "of people"
    ml.models.create_or_update(made)
    got = ml.models.get("own", "1")
    assert (got.tags, got.stage, got.description) == ({"approved": "yes"}, "Production", "of people")


def test_a_model_that_is_not_there(ml: MLClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        ml.models.get("own", "1")
