"""What the scenarios share: the emulator, a workspace for each, clients of it, and a job that was trained."""

from __future__ import annotations

import itertools
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import pytest
from azure.ai.ml import MLClient
from azure.identity import ClientSecretCredential

import training
from cloud import client_of, credential_of
from emulator import Control
from settings import Place, Settings
from training import Trained

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def own_code_alone() -> Iterator[None]:
    """What runs in the packages, and below them in Python, is theirs when all scenarios are done, too."""
    yield
    foreign = [
        f"{name}.{attribute}"
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in {"azure", "azureml", "mlflow", "msal", "msrest", "requests", "urllib3", "ssl", "socket", "http"}
        for owner in [module, *(value for value in vars(module).values() if issubclass(type(value), type) and value.__module__ == name)]
        for attribute, value in vars(owner).items()
        if issubclass(type(value), FunctionType) and value.__code__.co_filename.startswith(str(HERE))
    ]
    assert foreign == []


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The emulator of this run."""
    return Settings.load()


@pytest.fixture(scope="session")
def control(settings: Settings) -> Control:
    """Its control surface."""
    return Control(settings.url, settings.ca_file)


@pytest.fixture(scope="session")
def places(settings: Settings) -> Iterator[Place]:
    """Workspaces that nobody used before: every process has its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return itertools.islice(iter(settings.places), worker, None, workers)


@pytest.fixture
def place(places: Iterator[Place]) -> Place:
    """A workspace of this scenario alone."""
    return next(places)


@pytest.fixture(scope="session")
def credential(settings: Settings) -> ClientSecretCredential:
    """Of a principal that owns the subscription."""
    return credential_of(settings, settings.owner)


@pytest.fixture
def ml(settings: Settings, place: Place, credential: ClientSecretCredential) -> MLClient:
    """A client of this scenario's workspace."""
    return client_of(settings, place, credential)


@pytest.fixture
def name() -> Callable[[str], str]:
    """Names that nothing else has."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def trained(
    settings: Settings, places: Iterator[Place], credential: ClientSecretCredential, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A job of AutoML that is completed, once in a process."""
    place = next(places)
    return training.trained(client_of(settings, place, credential), place, tmp_path_factory.mktemp("trained"))
