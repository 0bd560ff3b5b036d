"""What the clients make of a service that has trouble."""

from __future__ import annotations

import time

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import AmlCompute, Data
from azure.core.exceptions import HttpResponseError

from emulator import Control
from settings import Place

FILE = Data(name="people", version="1", path="azureml://datastores/workspaceblobstore/paths/a.csv", type=AssetTypes.URI_FILE)


def test_a_throttled_request_is_sent_again_when_it_may(ml: MLClient, place: Place, control: Control) -> None:
    effect = {"status": 429, "headers": {"Retry-After": "1"}}
    fault = control.fault("PUT", f"/{place.name}/data/people/versions/1", effect, count=1)
    begun = time.monotonic()
    assert ml.data.create_or_update(FILE).version == "1"
    assert time.monotonic() - begun >= 1
    assert control.hits(fault) == 1
    puts = [asked["status"] for asked in control.requests(f"/{place.name}/data/people/versions/1") if asked["method"] == "PUT"]
    assert puts == [429, 201]


@pytest.mark.parametrize("effect", [{"status": 503}, {"status": 502, "rawBody": "<html>Bad Gateway</html>"}, {"reset": True}])
def test_a_fault_that_passes_is_not_seen(ml: MLClient, place: Place, control: Control, effect: dict[str, object]) -> None:
    fault = control.fault("GET", f"/{place.name}$", effect, count=1)
    assert ml.workspaces.get(place.name).name == place.name
    assert control.hits(fault) == 1


def test_an_error_keeps_azures_code_and_the_request_id(ml: MLClient, place: Place, control: Control) -> None:
    effect = {"status": 409, "code": "Conflict", "message": "Somebody else is at it."}
    control.fault("PUT", f"/{place.name}/data/", effect, count=1)
    with pytest.raises(HttpResponseError, match=r"\(Conflict\) Somebody else is at it\.") as refused:
        ml.data.create_or_update(FILE)
    assert refused.value.response.headers["x-ms-request-id"]
    sent = refused.value.response.request.headers["x-ms-client-request-id"]
    assert refused.value.response.headers["x-ms-client-request-id"] == sent


def test_an_operation_that_takes_its_time_is_waited_for(ml: MLClient, place: Place, control: Control) -> None:
    control.fault("PUT", f"/{place.name}/computes/cpu", {"operationTakesMilliseconds": 1500})
    poller = ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2"))
    assert ml.compute.get("cpu").provisioning_state == "Creating"
    assert poller.result().provisioning_state == "Succeeded"


def test_a_deletion_that_fails_leaves_what_was_there(ml: MLClient, place: Place, control: Control) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
    reason = {"code": "ComputeInUse", "message": "A job runs on it."}
    control.fault("DELETE", f"/{place.name}/computes/cpu", {"operationFails": reason}, count=1)
    with pytest.raises(HttpResponseError, match="ComputeInUse"):
        ml.compute.begin_delete("cpu").result()
    assert ml.compute.get("cpu").name == "cpu"
