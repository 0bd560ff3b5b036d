"""Online endpoints: deployments of a model that was trained here, and what they answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import Control
from tables import COLUMNS, row
from training import Trained
from waiting import until

ROWS = [list(row(number)[:3]) for number in range(5)]


class Serving:
    """An endpoint of one scenario, and what is done with it."""

    def __init__(self, trained: Trained, name: str, folder: Path) -> None:
        self.ml, self.model, self.name = trained.ml, trained.model, name
        self.request = folder / "request.json"
        self.request.write_text(json.dumps({"input_data": {"columns": COLUMNS, "index": list(range(5)), "data": ROWS}}))

    def make(self, auth_mode: str = "key") -> ManagedOnlineEndpoint:
        """Makes the endpoint."""
        wanted = ManagedOnlineEndpoint(name=self.name, auth_mode=auth_mode, description="people", tags={"a": "b"})
        return self.ml.online_endpoints.begin_create_or_update(wanted).result()

    def deploy(self, name: str, instances: int = 1) -> ManagedOnlineDeployment:
        """Makes a deployment."""
        wanted = ManagedOnlineDeployment(
            name=name,
            endpoint_name=self.name,
            model=f"azureml:{self.model.name}:{self.model.version}",
            instance_type="Standard_DS3_v2",
            instance_count=instances,
            app_insights_enabled=True,
        )
        return self.ml.online_deployments.begin_create_or_update(wanted).result()

    def get(self) -> ManagedOnlineEndpoint:
        """The endpoint as it is."""
        return self.ml.online_endpoints.get(self.name)

    def route(self, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> ManagedOnlineEndpoint:
        """Changes where requests go."""
        endpoint = self.get()
        endpoint.traffic = traffic
        endpoint.mirror_traffic = mirror or {}
        return self.ml.online_endpoints.begin_create_or_update(endpoint).result()

    def answers(self, deployment: str | None = None) -> list[str]:
        """What the model says of the rows."""
        return json.loads(
            self.ml.online_endpoints.invoke(self.name, request_file=str(self.request), deployment_name=deployment)
        )

    def post(self, key: str) -> requests.Response:
        """Asks over HTTP."""
        body = json.loads(self.request.read_text())
        return requests.post(self.get().scoring_uri, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def key(self) -> str:
        """The primary key."""
        return self.ml.online_endpoints.get_keys(self.name).primary_key


@pytest.fixture
def serving(trained: Trained, name: Callable[[str], str], tmp_path: Path) -> Iterator[Serving]:
    """An endpoint that is gone afterwards."""
    serving = Serving(trained, name("ep"), tmp_path)
    yield serving
    if any(known.name == serving.name for known in trained.ml.online_endpoints.list()):
        trained.ml.online_endpoints.begin_delete(serving.name)


def test_an_endpoint_is_made_found_and_deleted(serving: Serving) -> None:
    made = serving.make()
    assert (made.name, made.provisioning_state, made.auth_mode) == (serving.name, "Succeeded", "key")
    assert (made.tags, made.description, made.traffic) == ({"a": "b"}, "people", {})
    assert serving.name in made.scoring_uri and made.openapi_uri.endswith("/swagger.json")
    assert serving.name in [known.name for known in serving.ml.online_endpoints.list()]
    serving.ml.online_endpoints.begin_delete(serving.name).result()
    with pytest.raises(ResourceNotFoundError):
        serving.get()


def test_a_deployment_answers_with_its_models_predictions(serving: Serving, trained: Trained) -> None:
    serving.make()
    made = serving.deploy("blue")
    assert (made.provisioning_state, made.instance_count) == ("Succeeded", 1)
    assert made.model.endswith(f"/models/{trained.model.name}/versions/{trained.model.version}")
    serving.route({"blue": 100})
    answers = serving.answers()
    assert len(answers) == 5 and set(answers) <= {"yes", "no"}
    # The table follows from its columns but for some rows: the model has learned that.
    truth = [row(number)[3] for number in range(5)]
    assert sum(answer == true for answer, true in zip(answers, truth, strict=True)) >= 3


def test_a_deployment_is_asked_by_its_name(serving: Serving) -> None:
    serving.make()
    serving.deploy("blue")
    assert len(serving.answers("blue")) == 5
    # By HTTP: the client keeps the header of its last call for the next one.
    assert serving.post(serving.key()).status_code == 404
    with pytest.raises(Exception, match="green"):
        serving.answers("green")


def test_traffic_is_split_by_weight(serving: Serving) -> None:
    serving.make()
    for name in ("blue", "green"):
        serving.deploy(name)
    assert serving.route({"blue": 70, "green": 30}).traffic == {"blue": 70, "green": 30}
    key = serving.key()
    went = Counter(serving.post(key).headers["azureml-model-deployment"] for _ in range(50))
    assert went["blue"] + went["green"] == 50
    assert 25 <= went["blue"] <= 45


def test_a_part_of_the_traffic_is_mirrored(serving: Serving) -> None:
    serving.make()
    for name in ("blue", "green"):
        serving.deploy(name)
    routed = serving.route({"blue": 100}, mirror={"green": 50})
    assert (routed.traffic, routed.mirror_traffic) == ({"blue": 100}, {"green": 50})
    key = serving.key()
    went = {serving.post(key).headers["azureml-model-deployment"] for _ in range(20)}
    assert went == {"blue"}

    def mirrored() -> int | None:
        logs = serving.ml.online_deployments.get_logs(name="green", endpoint_name=serving.name, lines=200)
        return logs.count("POST /score") or None

    assert 1 <= until(mirrored, "a mirrored request", 20) <= 20


@pytest.mark.parametrize("traffic", [{"blue": 60}, {"blue": 100, "green": 1}, {"other": 100}])
def test_traffic_that_does_not_add_up_is_refused(serving: Serving, traffic: dict[str, int]) -> None:
    serving.make()
    serving.deploy("blue")
    with pytest.raises(Exception) as refused:
        serving.route(traffic)
    assert getattr(refused.value, "status_code", 400) == 400
    assert serving.get().traffic in ({}, {"blue": 0})


def test_keys_are_checked_and_made_anew(serving: Serving) -> None:
    serving.make()
    serving.deploy("blue")
    serving.route({"blue": 100})
    keys = serving.ml.online_endpoints.get_keys(serving.name)
    assert keys.primary_key != keys.secondary_key
    for key, status in [(keys.primary_key, 200), (keys.secondary_key, 200), ("wrong", 401)]:
        assert serving.post(key).status_code == status
    serving.ml.online_endpoints.begin_regenerate_keys(serving.name, key_type="secondary").result()
    after = serving.ml.online_endpoints.get_keys(serving.name)
    assert after.primary_key == keys.primary_key
    assert serving.post(after.secondary_key).status_code == 200


def test_an_endpoint_of_entra_takes_tokens(serving: Serving) -> None:
    serving.make("aad_token")
    serving.deploy("blue")
    serving.route({"blue": 100})
    token = serving.ml.online_endpoints.get_keys(serving.name)
    assert token.access_token.count(".") == 2
    assert len(serving.answers()) == 5
    assert serving.post(token.access_token).status_code == 200
    assert serving.post("wrong").status_code == 401


def test_an_endpoint_of_tokens_gives_them(serving: Serving) -> None:
    serving.make("aml_token")
    serving.deploy("blue")
    serving.route({"blue": 100})
    token = serving.ml.online_endpoints.get_keys(serving.name)
    assert token.expiry_time_utc > token.refresh_after_time_utc > 0
    assert len(serving.answers()) == 5
    assert serving.post("wrong").status_code == 401


def test_a_deployment_is_scaled_and_described(serving: Serving) -> None:
    serving.make()
    serving.deploy("blue")
    deployment = serving.ml.online_deployments.get("blue", serving.name)
    deployment.instance_count = 3
    deployment.tags = {"scaled": "yes"}
    assert serving.ml.online_deployments.begin_create_or_update(deployment).result().instance_count == 3
    (got,) = serving.ml.online_deployments.list(serving.name)
    assert (got.name, got.instance_count, got.tags) == ("blue", 3, {"scaled": "yes"})
    assert got.instance_type == "Standard_DS3_v2"


def test_a_deployment_tells_what_it_does(serving: Serving) -> None:
    serving.make()
    serving.deploy("blue")
    serving.answers("blue")
    logs = serving.ml.online_deployments.get_logs(name="blue", endpoint_name=serving.name, lines=50)
    assert "Model loaded" in logs and "POST /score" in logs
    assert len(serving.ml.online_deployments.get_logs(name="blue", endpoint_name=serving.name, lines=1).splitlines()) == 1


def test_a_deployment_with_traffic_is_not_deleted(serving: Serving) -> None:
    serving.make()
    serving.deploy("blue")
    serving.route({"blue": 100})
    with pytest.raises(HttpResponseError) as refused:
        serving.ml.online_deployments.begin_delete("blue", serving.name).result()
    assert refused.value.status_code == 400
    serving.route({"blue": 0})
    serving.ml.online_deployments.begin_delete("blue", serving.name).result()
    assert list(serving.ml.online_deployments.list(serving.name)) == []


def test_one_operation_at_a_time(serving: Serving, control: Control) -> None:
    serving.make()
    fault = control.fault("PUT", f"/{serving.name}/deployments/blue", {"operationTakesMilliseconds": 4000})
    deployment = lambda name: ManagedOnlineDeployment(  # noqa: E731
        name=name, endpoint_name=serving.name, model=f"azureml:{serving.model.name}:{serving.model.version}",
        instance_type="Standard_DS3_v2", instance_count=1,
    )
    first = serving.ml.online_deployments.begin_create_or_update(deployment("blue"))
    with pytest.raises(HttpResponseError) as refused:
        serving.ml.online_deployments.begin_create_or_update(deployment("green"))
    assert refused.value.status_code == 409
    assert first.result().provisioning_state == "Succeeded"
    assert control.hits(fault) == 1


def test_a_deployment_that_can_not_be_made_says_why(serving: Serving, control: Control) -> None:
    serving.make()
    reason = {"code": "OutOfQuota", "message": "Not enough cores."}
    control.fault("PUT", f"/{serving.name}/deployments/", {"operationFails": reason, "operationTakesMilliseconds": 200})
    with pytest.raises(HttpResponseError, match="OutOfQuota.*Not enough cores"):
        serving.deploy("blue")
    assert serving.ml.online_deployments.get("blue", serving.name).provisioning_state == "Failed"


def test_an_endpoint_that_can_not_be_made_says_why(serving: Serving, control: Control) -> None:
    reason = {"code": "SubscriptionNotRegistered", "message": "Register Microsoft.Cdn."}
    control.fault("PUT", f"/onlineEndpoints/{serving.name}", {"operationFails": reason})
    with pytest.raises(HttpResponseError, match="SubscriptionNotRegistered"):
        serving.make()
    assert serving.get().provisioning_state == "Failed"


def test_a_deployment_needs_its_model(serving: Serving) -> None:
    serving.make()
    wanted = ManagedOnlineDeployment(
        name="blue", endpoint_name=serving.name, model="azureml:nothing:1", instance_type="Standard_DS3_v2", instance_count=1
    )
    with pytest.raises((HttpResponseError, ResourceNotFoundError), match="nothing"):
        serving.ml.online_deployments.begin_create_or_update(wanted).result()


def test_what_the_model_can_not_answer_is_told(serving: Serving, control: Control) -> None:
    serving.make()
    serving.deploy("blue")
    serving.route({"blue": 100})
    serving.request.write_text(json.dumps({"input_data": {"columns": ["other"], "index": [0], "data": [[1]]}}))
    assert serving.post(serving.key()).status_code == 424
