"""Scoring code of one's own behind an endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.core.exceptions import HttpResponseError

SCRIPT = """
import json, os, time
from weights import factor

def init():
    global weight
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weight.txt")) as file:
        weight = int(file.read())
    print("the weight is", weight, os.environ["GREETING"])

def run(raw_data):
    asked = json.loads(raw_data)
    time.sleep(asked.get("sleep", 0))
    return {"weighed": [number * weight * factor for number in asked["numbers"]]}
"""


class Scripted:
    """An endpoint with a script."""

    def __init__(self, ml: MLClient, name: str, folder: Path) -> None:
        self.ml, self.name, self.folder = ml, name, folder
        (folder / "weight.txt").write_text("7")
        self.model = ml.models.create_or_update(
            Model(name="weight", path=str(folder / "weight.txt"), type=AssetTypes.CUSTOM_MODEL)
        )
        image = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"
        self.environment = ml.environments.create_or_update(Environment(name="scoring", version="1", image=image))
        ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name, auth_mode="key")).result()

    def deploy(self, script: str = SCRIPT, factor: int = 2) -> ManagedOnlineDeployment:
        """Makes the deployment, or makes it anew."""
        code = self.folder / f"code{len(list(self.folder.glob('code*')))}"
        code.mkdir()
        (code / "score.py").write_text(script)
        (code / "weights.py").write_text(f"factor = {factor}\n")
        wanted = ManagedOnlineDeployment(
            name="blue",
            endpoint_name=self.name,
            model=f"azureml:{self.model.name}:{self.model.version}",
            code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
            environment=f"azureml:{self.environment.name}:{self.environment.version}",
            environment_variables={"GREETING": "hello"},
            instance_type="Standard_DS3_v2",
            instance_count=1,
            request_settings=OnlineRequestSettings(request_timeout_ms=3000, max_concurrent_requests_per_instance=4),
        )
        return self.ml.online_deployments.begin_create_or_update(wanted).result()

    def post(self, body: dict) -> requests.Response:
        """Asks over HTTP."""
        key = self.ml.online_endpoints.get_keys(self.name).primary_key
        uri = self.ml.online_endpoints.get(self.name).scoring_uri
        headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}
        return requests.post(uri, json=body, headers=headers, timeout=60)

    def logs(self) -> str:
        """What the container wrote."""
        return self.ml.online_deployments.get_logs(name="blue", endpoint_name=self.name, lines=200)


@pytest.fixture
def scripted(ml: MLClient, name: Callable[[str], str], tmp_path: Path) -> Scripted:
    """An endpoint of this scenario alone."""
    return Scripted(ml, name("code"), tmp_path)


def test_a_script_is_served_with_its_model_and_logs(scripted: Scripted) -> None:
    made = scripted.deploy()
    assert (made.provisioning_state, made.code_configuration.scoring_script) == ("Succeeded", "score.py")
    request = scripted.folder / "request.json"
    request.write_text(json.dumps({"numbers": [1, 2]}))
    said = scripted.ml.online_endpoints.invoke(scripted.name, request_file=str(request), deployment_name="blue")
    assert json.loads(said) == {"weighed": [14, 28]}
    failed = scripted.post({"none": 1})
    assert failed.status_code == 424
    assert failed.headers["ms-azureml-model-error-statuscode"] == "500"
    assert "KeyError" in failed.text
    # It takes longer than its deployment allows; another process answers the next request.
    assert scripted.post({"numbers": [1], "sleep": 30}).status_code == 408
    assert scripted.post({"numbers": [3]}).json() == {"weighed": [42]}
    logs = scripted.logs()
    assert "the weight is 7 hello" in logs and "Traceback" in logs and "POST /score" in logs
    # Other code takes the place of the first.
    scripted.deploy(factor=10)
    assert scripted.post({"numbers": [1]}).json() == {"weighed": [70]}


def test_a_script_that_does_not_start_says_why(scripted: Scripted) -> None:
    with pytest.raises(HttpResponseError, match="(?s)User container has crashed.*no_such_module"):
        scripted.deploy("import no_such_module\ndef run(raw): return raw\n")
    assert scripted.ml.online_deployments.get("blue", scripted.name).provisioning_state == "Failed"
    assert "no_such_module" in scripted.logs()
