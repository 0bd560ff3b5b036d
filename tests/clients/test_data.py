"""Data assets."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import Data
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import Control
from settings import Place
from tables import csv, mltable

URI = "azureml://datastores/workspaceblobstore/paths/tables/{}"


def named(name: str, version: str | None = None, path: str = "people.csv", **more: str) -> Data:
    """A file of the default datastore."""
    return Data(name=name, version=version, path=URI.format(path), type=AssetTypes.URI_FILE, **more)


def test_a_file_by_its_address(ml: MLClient) -> None:
    made = ml.data.create_or_update(
        Data(name="people", version="1", path=URI.format("people.csv"), type=AssetTypes.URI_FILE, tags={"a": "b"}, description="d")
    )
    assert (made.name, made.version, made.type) == ("people", "1", "uri_file")
    got = ml.data.get("people", "1")
    assert (got.tags, got.description) == ({"a": "b"}, "d")
    assert got.path.endswith("/datastores/workspaceblobstore/paths/tables/people.csv")
    assert got.creation_context.created_at is not None


def test_a_folder_by_its_address(ml: MLClient) -> None:
    made = ml.data.create_or_update(Data(name="tables", version="a1", path=URI.format(""), type=AssetTypes.URI_FOLDER))
    assert (made.version, ml.data.get("tables", "a1").type) == ("a1", "uri_folder")


def test_a_local_file_is_uploaded(ml: MLClient, place: Place, control: Control, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(csv())
    made = ml.data.create_or_update(Data(name="people", path=str(file), type=AssetTypes.URI_FILE))
    assert made.version == "1"
    assert "/LocalUpload/" in made.path and made.path.endswith("people.csv")
    uploads = [asked for asked in control.requests("/LocalUpload/") if made.path.rsplit("/", 2)[1] in asked["path"]]
    assert [(asked["method"], asked["status"]) for asked in uploads] == [("HEAD", 404), ("PUT", 201), ("PUT", 200)]


def test_a_local_folder_is_uploaded_once(ml: MLClient, control: Control, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    (folder / "more").mkdir(parents=True)
    (folder / "a.csv").write_text(csv(10))
    (folder / "more" / "b.csv").write_text(csv(20))
    first = ml.data.create_or_update(Data(name="tables", path=str(folder), type=AssetTypes.URI_FOLDER))
    content = first.path.split("LocalUpload/")[1].split("/")[0]

    def puts() -> int:
        return len([asked for asked in control.requests(content) if asked["method"] == "PUT" and "LocalUpload" in asked["path"]])

    before = puts()
    second = ml.data.create_or_update(Data(name="tables", path=str(folder), type=AssetTypes.URI_FOLDER))
    assert (first.version, second.version) == ("1", "2")
    assert first.path == second.path
    assert before == puts() >= 3


def test_an_mltable_is_uploaded(ml: MLClient, place: Place, control: Control, tmp_path: Path) -> None:
    folder = mltable(tmp_path / "people")
    made = ml.data.create_or_update(Data(name="people", version="1", path=str(folder), type=AssetTypes.MLTABLE))
    assert made.type == "mltable"
    put = [asked for asked in control.requests(f"{place.name}/data/people/versions/1") if asked["method"] == "PUT"]
    assert [asked["body"]["properties"]["referencedUris"] for asked in put] == [["./people.csv"]]


def test_the_next_version_is_counted(ml: MLClient) -> None:
    versions = [ml.data.create_or_update(named("people", path=f"{n}.csv")).version for n in range(3)]
    assert versions == ["1", "2", "3"]
    assert ml.data.get("people", label="latest").version == "3"


def test_lists_of_names_and_of_versions(ml: MLClient) -> None:
    for name, version in [("people", "1"), ("people", "2"), ("places", "1")]:
        ml.data.create_or_update(named(name, version))
    assert {data.name for data in ml.data.list()} == {"people", "places"}
    assert [data.version for data in ml.data.list("people")] == ["2", "1"]


def test_a_version_is_archived_and_restored(ml: MLClient) -> None:
    for version in ("1", "2"):
        ml.data.create_or_update(named("people", version))
    ml.data.archive("people", "1")
    assert [data.version for data in ml.data.list("people")] == ["2"]
    archived = ml.data.list("people", list_view_type=ListViewType.ARCHIVED_ONLY)
    assert [data.version for data in archived] == ["1"]
    assert ml.data.get("people", "1").version == "1"
    ml.data.restore("people", "1")
    assert [data.version for data in ml.data.list("people")] == ["2", "1"]


def test_a_name_is_archived_and_restored(ml: MLClient) -> None:
    ml.data.create_or_update(named("people", "1"))
    ml.data.create_or_update(named("places", "1"))
    ml.data.archive("people")
    assert [data.name for data in ml.data.list()] == ["places"]
    ml.data.restore("people")
    assert {data.name for data in ml.data.list()} == {"people", "places"}


def test_tags_can_be_changed_and_the_address_can_not(ml: MLClient) -> None:
    ml.data.create_or_update(named("people", "1"))
    changed = ml.data.get("people", "1")
    changed.tags = {"checked": "yes"}
    ml.data.create_or_update(changed)
    assert ml.data.get("people", "1").tags == {"checked": "yes"}
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated."):
        ml.data.create_or_update(named("people", "1", path="other.csv"))
    assert ml.data.get("people", "1").path.endswith("people.csv")


def test_a_name_keeps_its_type(ml: MLClient) -> None:
    ml.data.create_or_update(named("people", "1"))
    with pytest.raises(HttpResponseError) as refused:
        ml.data.create_or_update(Data(name="people", version="2", path=URI.format(""), type=AssetTypes.URI_FOLDER))
    assert refused.value.status_code == 400


def test_a_version_that_is_not_there(ml: MLClient) -> None:
    with pytest.raises(ResourceNotFoundError) as missing:
        ml.data.get("people", "7")
    assert missing.value.status_code == 404
