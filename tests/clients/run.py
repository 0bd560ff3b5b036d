"""Starts an emulator, gives it workspaces, runs the scenarios against it, and ends it.

The scenarios run in processes whose environment alone makes the emulator Azure: its certificate authority, and a file
of host names for the storage accounts, read by Debian's nss-wrapper. Nothing in Python is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from emulator import Emulator
from settings import STORAGE_SUFFIX, Place, Settings

HERE = Path(__file__).parent
PLACES = 160
WORKERS = 4


def main() -> int:
    """Runs all scenarios, or those that pytest's arguments choose."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulator", type=Path, required=True, help="the program azureml-emulator")
    arguments, chosen = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="clients-") as scratch:
        folder = Path(scratch)
        # For what starts one of its own.
        os.environ["CLIENTS_EMULATOR"] = str(arguments.emulator.absolute())
        with Emulator(arguments.emulator, folder) as emulator:
            settings = prepared(emulator)
            return scenarios(settings, folder, chosen)


def prepared(emulator: Emulator) -> Settings:
    """A tenant with a principal that owns everything, and workspaces, one for each scenario."""
    control = emulator.control
    owner = control.principal("11111111-aaaa-4aaa-8aaa-000000000001")
    settings = Settings(url=emulator.url, ca_file=str(emulator.ca_file), owner=owner, places=[])
    control.assign(f"/subscriptions/{settings.subscription}", owner.object_id, "Owner")
    # Clients ask again after what they are told, and after half a minute where they are told nothing.
    control.call("POST", "manners", {"operations": {"retryAfterSeconds": 1}})
    for number in range(PLACES):
        place = Place(settings.subscription, "clients", f"ws-{number:03}")
        shown = control.workspace(place, "westeurope")
        account = shown["properties"]["storageAccount"].rsplit("/", 1)[-1]
        settings.places.append(Place(place.subscription, place.group, place.name, account))
    return settings


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """All that the clients know of the machine."""
    hosts = folder / "hosts"
    names = " ".join(f"{place.account}.blob.{STORAGE_SUFFIX}" for place in settings.places)
    lines = [f"127.0.0.1 {name}" for name in ["localhost", *names.split()]]
    hosts.write_text("\n".join(lines) + "\n")
    file = folder / "settings.json"
    file.write_text(settings.to_json())
    home = folder / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "CLIENTS_EMULATOR") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "CLIENTS_SETTINGS": str(file),
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_HOSTS": str(hosts),
        "NSS_WRAPPER_MAX_HOSTENTS": str(2 * len(lines)),
        "REQUESTS_CA_BUNDLE": settings.ca_file,
        "SSL_CERT_FILE": settings.ca_file,
        # The identity service of a virtual machine, which azure-identity looks for at a fixed address otherwise.
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": settings.url,
        # How azureml-mlflow learns of the cloud.
        "ARM_CLOUD_METADATA_URL": f"{settings.url}/metadata/endpoints?api-version=2019-05-01",
        # A proxy that is not there: what goes anywhere else fails at once.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": f"localhost,127.0.0.1,.{STORAGE_SUFFIX}",
        # The packages' own switches for what they report home.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "OTEL_SDK_DISABLED": "true",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def scenarios(settings: Settings, folder: Path, chosen: list[str]) -> int:
    """Runs pytest; says at the end what it counted."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "--verbose", f"--numprocesses={WORKERS}", f"--junit-xml={report}"]
    status = subprocess.run([*command, *chosen], cwd=HERE, env=environment(settings, folder), check=False).returncode
    if report.exists():
        suite = ElementTree.parse(report).getroot().find("testsuite")
        count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")} if suite is not None else {}
        failed = count["failures"] + count["errors"]
        passed = max(count["tests"] - failed - count["skipped"], 0)
        print(f"clients: {passed} passed, {failed} failed, {count['skipped']} skipped")
    return status


if __name__ == "__main__":
    sys.exit(main())
