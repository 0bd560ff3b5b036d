"""Batch endpoints: pipeline components behind an address, and what starts them."""

# Not the annotations of the future: azure-ai-ml reads those of pipelines as they are.

import uuid
from pathlib import Path

import pytest
import requests
from azure.ai.ml import Input, MLClient, dsl
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import BatchEndpoint, PipelineComponent, PipelineComponentBatchDeployment
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from test_assets import counting
from training import CLUSTER, with_cluster
from waiting import ended


def component(ml: MLClient, version: str = "1") -> PipelineComponent:
    """A pipeline component that counts the rows of a file, up to a limit."""
    step = counting(ml)

    @dsl.pipeline(name="count_rows", version=version)
    def count_rows(data: Input(type=AssetTypes.URI_FILE), limit: Input(type="integer", default=3)):
        counted = step(data=data, limit=limit)
        return {"counts": counted.outputs.counts}

    return ml.components.create_or_update(count_rows)


def deployed(ml: MLClient, endpoint: str, name: str = "first", version: str = "1") -> PipelineComponentBatchDeployment:
    """A deployment of it."""
    wanted = PipelineComponentBatchDeployment(
        name=name,
        endpoint_name=endpoint,
        component=component(ml, version),
        settings={"default_compute": CLUSTER, "continue_on_step_failure": False},
    )
    return ml.batch_deployments.begin_create_or_update(wanted).result()


def test_an_endpoint_with_its_deployments(ml: MLClient) -> None:
    with_cluster(ml)
    name = f"batch-{uuid.uuid4().hex[:8]}"
    made = ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name, description="counts")).result()
    assert made.scoring_uri.endswith(f"/{name}/jobs")
    assert [known.name for known in ml.batch_endpoints.list()] == [name]
    deployed(ml, name)
    deployed(ml, name, "second", "2")
    assert {known.name for known in ml.batch_deployments.list(name)} == {"first", "second"}

    endpoint = ml.batch_endpoints.get(name)
    endpoint.defaults = {"deployment_name": "second"}
    endpoint = ml.batch_endpoints.begin_create_or_update(endpoint).result()
    assert endpoint.defaults.deployment_name == "second"
    with pytest.raises(HttpResponseError, match="default"):
        ml.batch_deployments.begin_delete("second", name).result()
    ml.batch_deployments.begin_delete("first", name).result()
    assert [known.name for known in ml.batch_deployments.list(name)] == ["second"]
    ml.batch_endpoints.begin_delete(name).result()
    with pytest.raises(ResourceNotFoundError):
        ml.batch_endpoints.get(name)


def test_it_is_invoked(ml: MLClient) -> None:
    with_cluster(ml)
    name = f"batch-{uuid.uuid4().hex[:8]}"
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()
    deployed(ml, name)
    data = Input(type=AssetTypes.URI_FILE, path="https://example.org/rows.csv")
    limit = Input(type="integer", default=5)
    job = ml.batch_endpoints.invoke(endpoint_name=name, deployment_name="first", inputs={"data": data, "limit": limit})
    assert job.name.startswith("batchjob-")
    # There is no such file: the step fails, and says so.
    assert ended(ml, job.name).status == "Failed"
    assert [known.name for known in ml.batch_endpoints.list_jobs(endpoint_name=name)] == [job.name]
    answer = requests.post(ml.batch_endpoints.get(name).scoring_uri, json={}, timeout=30)
    assert answer.status_code == 401
