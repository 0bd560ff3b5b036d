"""What the scenarios are told about the emulator they run against."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

#: Accounts are hosts below `blob.` and this.
STORAGE_SUFFIX = "azureml.test"


@dataclass(frozen=True)
class Principal:
    """An application of a tenant."""

    tenant: str
    client_id: str
    object_id: str
    secret: str


@dataclass(frozen=True)
class Place:
    """A workspace, and its storage account."""

    subscription: str
    group: str
    name: str
    account: str = ""

    @property
    def arm_id(self) -> str:
        """Its id."""
        provider = "Microsoft.MachineLearningServices"
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/{provider}/workspaces/{self.name}"


@dataclass(frozen=True)
class Settings:
    """An emulator, who may do everything in it, and workspaces that nothing was done with."""

    url: str
    ca_file: str
    owner: Principal
    places: list[Place]
    subscription: str = "22222222-bbbb-4bbb-8bbb-000000000002"

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.removeprefix("https://")

    @property
    def storage_endpoint(self) -> str:
        """What the account and `.blob.` stand before."""
        return f"{STORAGE_SUFFIX}:{self.host.rsplit(':', 1)[1]}"

    def to_json(self) -> str:
        """As a file has it."""
        return json.dumps(asdict(self))

    @staticmethod
    def load() -> Settings:
        """Those of this run."""
        read = json.loads(Path(os.environ["CLIENTS_SETTINGS"]).read_text())
        owner = Principal(**read.pop("owner"))
        places = [Place(**place) for place in read.pop("places")]
        return Settings(owner=owner, places=places, **read)
