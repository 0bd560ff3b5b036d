"""Commands: jobs of their own and steps of pipelines, with code, inline environments, components and logs."""

# Not the annotations of the future: azure-ai-ml reads those of pipelines as they are.

import threading
from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient, Output, automl, command, dsl
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Environment
from azure.ai.ml.exceptions import JobException

from emulator import Control
from training import CLUSTER, EXPERIMENT, with_cluster, with_data
from waiting import ended, until

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
PREPARE = r"""
set -e
head -n 101 "$1"/*.csv > "$2/kept.csv"
printf 'paths:\n- file: ./kept.csv\ntransformations:\n- read_delimited: {delimiter: ","}\n' > "$2/MLTable"
echo "kept a hundred rows for $WHO"
until test -e "$GO"; do sleep 0.1; done
"""


def inline() -> Environment:
    """An environment that is described where it is used."""
    return Environment(image=IMAGE, conda_file={"name": "people", "dependencies": ["python=3.11"]})


def code(folder: Path) -> str:
    """A folder with a script."""
    folder.mkdir()
    (folder / "prepare.sh").write_text(PREPARE)
    return str(folder)


def log(ml: MLClient, name: str, folder: Path) -> str:
    """What a command wrote. Named outputs can't be downloaded: this version of the client fails before it asks."""
    ml.jobs.download(name, download_path=folder)
    (file,) = folder.rglob("std_log.txt")
    return file.read_text()


def streamed(ml: MLClient, control: Control, name: str, go: Path) -> None:
    """Streams a job that waits for a file, which is there as soon as the client has asked for the logs twice."""

    def release() -> None:
        asked = f"/runs/{name}/details"
        until(lambda: len(control.requests(asked)) > 1 or None, "a client that asks for logs")
        go.touch()

    releasing = threading.Thread(target=release)
    releasing.start()
    ml.jobs.stream(name)
    releasing.join()


def test_a_command_s_log_is_streamed_while_it_grows(
    ml: MLClient, control: Control, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_cluster(ml)
    go = tmp_path / "go"
    line = f"echo first line; echo to the other side >&2; until test -e {go}; do sleep 0.1; done; echo last line"
    name = ml.jobs.create_or_update(command(command=line, environment=inline(), compute=CLUSTER)).name
    streamed(ml, control, name, go)
    told = capsys.readouterr().out
    assert "Streaming user_logs/std_log.txt" in told
    assert "first line\nto the other side\n" in told
    assert told.index("first line") < told.index("Execution Summary")
    assert ml.jobs.get(name).status == "Completed"


def test_a_command_that_fails_leaves_its_log(ml: MLClient, tmp_path: Path) -> None:
    with_cluster(ml)
    line = "echo working; echo no such column >&2; exit 7"
    name = ml.jobs.create_or_update(command(command=line, environment=inline(), compute=CLUSTER)).name
    with pytest.raises(JobException, match="no such column"):
        ml.jobs.stream(name)
    assert ml.jobs.get(name).status == "Failed"
    ml.jobs.download(name, download_path=tmp_path, all=True)
    (log,) = tmp_path.rglob("std_log.txt")
    assert log.read_text() == "working\nno such column\n"


def test_an_environment_that_is_described_in_place_is_registered(ml: MLClient) -> None:
    with_cluster(ml)
    job = command(command="true", environment=inline(), compute=CLUSTER)
    name = ml.jobs.create_or_update(job).name
    assert ended(ml, name).status == "Completed"
    registered = ml.jobs.get(name).environment
    assert "CliV2AnonymousEnvironment" in registered


def test_commands_before_and_after_automl(
    ml: MLClient, control: Control, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_cluster(ml)
    go = tmp_path / "go"
    data = with_data(ml, tmp_path)
    prepare = command(
        name="prepare",
        command="sh prepare.sh ${{inputs.table}} ${{outputs.kept}}",
        code=code(tmp_path / "src"),
        environment=inline(),
        environment_variables={"WHO": "training", "GO": str(go)},
        inputs={"table": Input(type=AssetTypes.MLTABLE)},
        outputs={"kept": Output(type=AssetTypes.MLTABLE)},
    )
    judge = command(
        name="judge",
        command="cp ${{inputs.model}}/MLmodel ${{outputs.report}}/${{inputs.name}}; cat ${{outputs.report}}/report.txt",
        environment=inline(),
        inputs={"model": Input(type=AssetTypes.MLFLOW_MODEL), "name": Input(type="string")},
        outputs={"report": Output(type=AssetTypes.URI_FOLDER)},
    )

    @dsl.pipeline(name="whole", experiment_name=EXPERIMENT, default_compute=CLUSTER)
    def whole(table, name):  # azure-ai-ml knows annotations of its own alone
        prepared = prepare(table=table)
        trained = automl.classification(
            training_data=prepared.outputs.kept,
            target_column_name="y",
            primary_metric="accuracy",
            n_cross_validations=2,
            outputs={"best_model": Output(type=AssetTypes.MLFLOW_MODEL)},
        )
        trained.set_limits(max_trials=1, timeout_minutes=10)
        trained.set_training(
            allowed_training_algorithms=["LogisticRegression"], enable_stack_ensemble=False, enable_vote_ensemble=False
        )
        judged = judge(model=trained.outputs.best_model, name=name)
        return {"report": judged.outputs.report}

    job = whole(Input(type=AssetTypes.MLTABLE, path=f"azureml:{data.name}:{data.version}"), "report.txt")
    name = ml.jobs.create_or_update(job).name
    streamed(ml, control, name, go)
    assert "Streaming logs/azureml/executionlogs.txt" in capsys.readouterr().out
    assert ml.jobs.get(name).status == "Completed"
    children = {child.display_name: child for child in ml.jobs.list(parent_job_name=name)}
    assert sorted(children) == ["judged", "prepared", "trained"]
    assert log(ml, children["prepared"].name, tmp_path / "before") == "kept a hundred rows for training\n"
    assert "flavors" in log(ml, children["judged"].name, tmp_path / "after")


def test_a_pipeline_of_registered_components(ml: MLClient, tmp_path: Path) -> None:
    with_cluster(ml)
    data = with_data(ml, tmp_path)
    ml.environments.create_or_update(Environment(name="tools", version="1", image=IMAGE))
    count = command(
        name="count",
        version="1",
        command="cat ${{inputs.table}}/*.csv | wc -l | tee ${{outputs.lines}}/n",
        environment="azureml:tools:1",
        inputs={"table": Input(type=AssetTypes.MLTABLE)},
        outputs={"lines": Output(type=AssetTypes.URI_FOLDER)},
    )
    registered = ml.components.create_or_update(count.component)

    @dsl.pipeline(name="inner")
    def inner(table: Input(type=AssetTypes.MLTABLE)):
        return {"lines": ml.components.get(registered.name, registered.version)(table=table).outputs.lines}

    @dsl.pipeline(name="outer", experiment_name=EXPERIMENT, default_compute=CLUSTER)
    def outer(table: Input(type=AssetTypes.MLTABLE)):
        return {"lines": inner(table=table).outputs.lines}

    name = ml.jobs.create_or_update(outer(Input(type=AssetTypes.MLTABLE, path=f"azureml:{data.name}:{data.version}"))).name
    assert ended(ml, name).status == "Completed"
    (step,) = ml.jobs.list(parent_job_name=name)
    (inside,) = ml.jobs.list(parent_job_name=step.name)
    assert int(log(ml, inside.name, tmp_path / "got")) == 121
