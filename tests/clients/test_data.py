"""Data assets."""

from __future__ import annotations

from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data


def test_a_file_by_its_address(ml: MLClient) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/tables/people.csv"
    made = ml.data.create_or_update(Data(name="people", version="1", path=uri, type=AssetTypes.URI_FILE, tags={"a": "b"}))
    assert (made.name, made.version, made.type, made.tags) == ("people", "1", "uri_file", {"a": "b"})
    assert ml.data.get("people", "1").path.endswith("/datastores/workspaceblobstore/paths/tables/people.csv")


def test_a_local_file_is_uploaded(ml: MLClient, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("age,y\n1,no\n")
    made = ml.data.create_or_update(Data(name="people", path=str(file), type=AssetTypes.URI_FILE))
    assert made.version == "1"
    assert "/LocalUpload/" in made.path and made.path.endswith("people.csv")
