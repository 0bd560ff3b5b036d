"""Environments, components, and the code that belongs to them."""

# Not the annotations of the future: azure-ai-ml reads those of pipelines as they are.

from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient, Output, command, dsl
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import BuildContext, CommandComponent, Environment, PipelineComponent
from azure.core.exceptions import ResourceNotFoundError

from emulator import Control
from settings import Place

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


def environment(ml: MLClient, version: str = "1") -> Environment:
    """One of an image and a conda file."""
    conda = {"name": "people", "dependencies": ["python=3.10", {"pip": ["pandas"]}]}
    return ml.environments.create_or_update(Environment(name="people", version=version, image=IMAGE, conda_file=conda))


def counting(ml: MLClient, folder: Path | None = None) -> CommandComponent:
    """A component that counts rows, by code of a folder or by none."""
    step = command(
        name="count",
        version="1",
        command="python count.py --data ${{inputs.data}} --out ${{outputs.counts}}",
        environment=f"azureml:{environment(ml).name}:1",
        code=str(folder) if folder else None,
        inputs={"data": Input(type=AssetTypes.URI_FILE), "limit": Input(type="integer", default=3)},
        outputs={"counts": Output(type=AssetTypes.URI_FOLDER)},
    )
    return ml.components.create_or_update(step.component)


def code(folder: Path, text: str = "print('rows')\n") -> Path:
    """A folder of code."""
    folder.mkdir(exist_ok=True)
    (folder / "count.py").write_text(text)
    return folder


def test_an_environment_of_an_image_and_a_conda_file(ml: MLClient) -> None:
    environment(ml)
    got = ml.environments.get("people", "1")
    assert got.image == IMAGE
    assert got.conda_file["dependencies"][1] == {"pip": ["pandas"]}


def test_an_environment_of_a_docker_file(ml: MLClient, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\n")
    made = ml.environments.create_or_update(Environment(name="built", build=BuildContext(path=str(tmp_path))))
    assert made.version == "1"
    assert made.build.dockerfile_path == "Dockerfile"
    assert "LocalUpload" in made.build.path


def test_environments_are_listed_archived_and_restored(ml: MLClient) -> None:
    environment(ml, "1")
    environment(ml, "2")
    assert [known.version for known in ml.environments.list("people")] == ["2", "1"]
    assert ml.environments.get("people", label="latest").version == "2"
    ml.environments.archive("people", "2")
    assert [known.version for known in ml.environments.list("people")] == ["1"]
    ml.environments.restore("people", "2")
    assert len(list(ml.environments.list("people"))) == 2


def test_a_component_of_a_command_with_its_code(ml: MLClient, control: Control, place: Place, tmp_path: Path) -> None:
    made = counting(ml, code(tmp_path / "src"))
    assert made.version == "1"
    got = ml.components.get("count", "1")
    assert isinstance(got, CommandComponent)
    assert got.command.startswith("python count.py")
    assert (got.inputs["limit"].type, got.inputs["limit"].default) == ("integer", 3)
    assert "/codes/" in got.code and got.environment.endswith("/environments/people/versions/1")
    uploads = [asked for asked in control.requests("startPendingUpload") if f"/{place.name}/" in asked["path"]]
    assert len(uploads) == 1


def test_code_that_is_known_is_not_uploaded_again(ml: MLClient, control: Control, place: Place, tmp_path: Path) -> None:
    first = counting(ml, code(tmp_path / "src")).code
    again = command(
        name="recount", version="1", command="python count.py", environment="azureml:people:1", code=str(tmp_path / "src")
    )
    assert ml.components.create_or_update(again.component).code == first
    other = command(
        name="other", version="1", command="python count.py", environment="azureml:people:1",
        code=str(code(tmp_path / "src", "print('more')\n")),
    )
    assert ml.components.create_or_update(other.component).code != first
    uploads = [asked for asked in control.requests("startPendingUpload") if f"/{place.name}/" in asked["path"]]
    assert len(uploads) == 2


def test_a_component_of_a_pipeline(ml: MLClient) -> None:
    step = counting(ml)

    @dsl.pipeline(name="twice", version="1", description="counts twice")
    def twice(data: Input(type=AssetTypes.URI_FILE)):
        first = step(data=data)
        second = step(data=data, limit=5)
        return {"first": first.outputs.counts, "second": second.outputs.counts}

    made = ml.components.create_or_update(twice)
    assert (made.name, made.version) == ("twice", "1")
    got = ml.components.get("twice", "1")
    assert isinstance(got, PipelineComponent)
    assert set(got.jobs) == {"first", "second"}
    assert set(got.outputs) == {"first", "second"}


def test_components_are_listed_archived_and_restored(ml: MLClient) -> None:
    counting(ml)
    assert [known.name for known in ml.components.list()] == ["count"]
    ml.components.archive("count")
    assert list(ml.components.list()) == []
    assert [known.name for known in ml.components.list(list_view_type=ListViewType.ARCHIVED_ONLY)] == ["count"]
    ml.components.restore("count")
    assert [known.version for known in ml.components.list("count")] == ["1"]


def test_an_environment_that_is_not_there(ml: MLClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        ml.environments.get("people", "1")
