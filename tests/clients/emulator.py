"""The emulator as a process, and its control surface."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from settings import STORAGE_SUFFIX, Place, Principal

#: Seconds that it may take to come up.
LIMIT = 60.0


class Control:
    """`/_emulator/`."""

    def __init__(self, url: str, ca_file: str) -> None:
        self._url = f"{url}/_emulator"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_file

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Asks for something; what it answers."""
        answer = self._session.request(method, f"{self._url}/{path}", json=body, params=query, timeout=60)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code}: {answer.text}")
        return answer.json()

    def principal(self, tenant: str, **more: Any) -> Principal:
        """A new principal, with a secret and whatever else is given."""
        made = Principal(tenant, *(str(uuid.uuid4()) for _ in range(3)))
        body = {"clientId": made.client_id, "objectId": made.object_id, "clientSecret": made.secret} | more
        self.call("POST", f"tenants/{tenant}/principals", body)
        return made

    def trust(self, issuer: str, jwks: dict[str, Any]) -> None:
        """Lets it verify tokens of an issuer."""
        self.call("POST", "issuers", {"issuer": issuer, "jwks": jwks})

    def workspace(self, place: Place, location: str) -> dict[str, Any]:
        """Makes a workspace, which is ready."""
        names = {"subscriptionId": place.subscription, "resourceGroup": place.group, "name": place.name}
        return self.call("POST", "workspaces", names | {"location": location})

    def assign(self, scope: str, object_id: str, role: str) -> str:
        """Gives a role; the assignment's id."""
        body = {"scope": scope, "principalId": object_id, "role": role}
        return self.call("POST", "roleassignments", body)["id"]

    def fault(self, method: str, path: str, effect: dict[str, Any], **more: Any) -> str:
        """Arms a fault; its id."""
        return self.call("POST", "faults", {"method": method, "path": path, "effect": effect} | more)["id"]

    def hits(self, fault: str) -> int:
        """How often a fault struck."""
        return self.call("GET", f"faults/{fault}")["hits"]

    def requests(self, contains: str) -> list[dict[str, Any]]:
        """What was asked of it, where a text is in the path or the query."""
        return self.call("GET", "requests", contains=contains)["requests"]


class Emulator:
    """A running emulator, in memory, which ends with its context."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._log = folder / "emulator.log"
        ready = folder / "ready.json"
        command = [program, "serve", "--listen", "127.0.0.1:0", "--tls-dir", folder / "tls", "--ready-file", ready]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*command, "--storage-suffix", STORAGE_SUFFIX], stderr=log)
        until = time.monotonic() + LIMIT
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                raise RuntimeError(f"azureml-emulator does not serve:\n{self._log.read_text()}")
            time.sleep(0.02)
        served = json.loads(ready.read_text())
        self.url: str = served["url"]
        self.ca_file: str = served["caFile"]
        self.control = Control(self.url, self.ca_file)

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
