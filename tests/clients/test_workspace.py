"""Workspaces, their datastores, and their clusters."""

from __future__ import annotations

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AccountKeyConfiguration, AmlCompute, AzureBlobDatastore, Workspace
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import Control
from settings import Place, Settings


def test_a_workspace_tells_where_its_parts_are(ml: MLClient, place: Place, settings: Settings) -> None:
    got = ml.workspaces.get(place.name)
    assert (got.name, got.location, got.resource_group) == (place.name, "westeurope", place.group)
    assert got.discovery_url == f"{settings.url}/discovery"
    # The service says v1.0; the client makes v2.0 of it for the MLflow that is installed.
    assert got.mlflow_tracking_uri.lower() == f"azureml://{settings.host}/mlflow/v2.0{place.arm_id}".lower()
    assert got.storage_account.endswith(f"/storageAccounts/{place.account}")


def test_workspaces_of_a_group_are_listed(ml: MLClient, place: Place) -> None:
    names = [known.name for known in ml.workspaces.list()]
    assert place.name in names and len(names) > 100


def test_a_workspace_is_changed_and_deleted(ml: MLClient, place: Place) -> None:
    changed = ml.workspaces.begin_update(Workspace(name=place.name, description="people", tags={"c": "d"})).result()
    assert (changed.description, changed.tags) == ("people", {"c": "d"})
    assert ml.workspaces.get(place.name).description == "people"
    ml.workspaces.begin_delete(place.name, delete_dependent_resources=False).result()
    with pytest.raises(ResourceNotFoundError):
        ml.workspaces.get(place.name)


def test_the_default_datastore_and_its_secret(ml: MLClient, place: Place) -> None:
    default = ml.datastores.get_default()
    assert (default.name, default.account_name) == ("workspaceblobstore", place.account)
    assert default.container_name.startswith("azureml-blobstore-")
    assert {store.name for store in ml.datastores.list()} == {"workspaceblobstore", "workspaceartifactstore"}
    secret = ml.datastores.get("workspaceblobstore", include_secrets=True)
    assert "sig=" in (secret.credentials.sas_token or "")


def test_a_datastore_is_added_and_removed(ml: MLClient, place: Place) -> None:
    store = AzureBlobDatastore(
        name="own",
        account_name=place.account,
        container_name="own",
        credentials=AccountKeyConfiguration(account_key="bm90IGEga2V5"),
        description="of our own",
    )
    ml.datastores.create_or_update(store)
    got = ml.datastores.get("own")
    assert (got.container_name, got.description) == ("own", "of our own")
    ml.datastores.delete("own")
    with pytest.raises(ResourceNotFoundError):
        ml.datastores.get("own")


def test_a_cluster_is_made_and_deleted(ml: MLClient) -> None:
    wanted = AmlCompute(
        name="cpu", size="Standard_DS3_v2", min_instances=0, max_instances=4, idle_time_before_scale_down=120, tier="low_priority"
    )
    made = ml.compute.begin_create_or_update(wanted).result()
    assert (made.name, made.provisioning_state, made.tier) == ("cpu", "Succeeded", "low_priority")
    got = ml.compute.get("cpu")
    assert (got.size.upper(), got.min_instances, got.max_instances) == ("STANDARD_DS3_V2", 0, 4)
    assert got.idle_time_before_scale_down == 120
    assert [known.name for known in ml.compute.list()] == ["cpu"]
    ml.compute.begin_delete("cpu").result()
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get("cpu")


def test_a_cluster_is_scaled_and_has_nodes(ml: MLClient) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=2)).result()
    assert list(ml.compute.list_nodes("cpu")) == []
    cluster = ml.compute.get("cpu")
    cluster.min_instances, cluster.max_instances = 2, 6
    scaled = ml.compute.begin_update(cluster).result()
    assert (scaled.min_instances, scaled.max_instances) == (2, 6)
    nodes = list(ml.compute.list_nodes("cpu"))
    # This version of the client puts what it reads beside its own attributes, by the names of the wire.
    assert [vars(node)["nodeState"] for node in nodes] == ["idle", "idle"]
    assert len({vars(node)["nodeId"] for node in nodes}) == 2


def test_the_machines_of_a_cluster_stay(ml: MLClient) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
    with pytest.raises(HttpResponseError) as refused:
        ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS4_v2")).result()
    assert refused.value.status_code == 400


def test_a_cluster_that_can_not_be_made_says_why(ml: MLClient, place: Place, control: Control) -> None:
    effect = {"operationFails": {"code": "ClusterCoreQuotaReached", "message": "The quota of cores is reached."}}
    fault = control.fault("PUT", f"/{place.name}/computes/cpu", effect)
    with pytest.raises(HttpResponseError, match="ClusterCoreQuotaReached"):
        ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
    assert control.hits(fault) == 1
    assert ml.compute.get("cpu").provisioning_state == "Failed"
