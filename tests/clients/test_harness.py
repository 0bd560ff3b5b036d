"""That the packages are as they were published, and that nothing here replaces any part of them."""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.util
import os
import sys
import sysconfig
from importlib.metadata import Distribution, distributions, version
from pathlib import Path

import pytest
import requests

from settings import Settings

HERE = Path(__file__).parent
PACKAGES = Path(sysconfig.get_paths()["purelib"]).resolve()
#: What can put something in the place of something else, besides an assignment.
REPLACERS = {"monkeypatch", "mock", "mocker", "patch", "setattr", "setitem", "responses", "vcr", "httpretty", "requests_mock"}


def installed() -> list[Distribution]:
    """All that is in the environment."""
    return list(distributions(path=[str(PACKAGES)]))


def test_every_file_of_every_package_has_the_hash_it_was_published_with() -> None:
    checked, changed = 0, []
    for package in installed():
        for file in package.files or []:
            if file.hash is None:
                continue
            digest = hashlib.new(file.hash.mode, Path(package.locate_file(file)).read_bytes()).digest()
            checked += 1
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                changed.append(str(file))
    assert not changed
    assert checked > 5000


def test_no_file_was_put_beside_the_packages() -> None:
    recorded = {os.path.normpath(str(package.locate_file(file))) for package in installed() for file in package.files or []}
    folders = ((folder, files) for folder, _, files in os.walk(PACKAGES) if os.path.basename(folder) != "__pycache__")
    found = {os.path.join(folder, file) for folder, files in folders for file in files}
    assert found - recorded == set()


def test_the_packages_are_those_that_are_named() -> None:
    pins = [line for line in (HERE / "requirements.txt").read_text().splitlines() if "==" in line]
    assert {name: version(name) for name, _ in (pin.split("==") for pin in pins)} == dict(pin.split("==") for pin in pins)


def test_nothing_runs_before_the_packages() -> None:
    for hook in ("sitecustomize", "usercustomize"):
        found = importlib.util.find_spec(hook)
        # A distribution's Python may bring one of its own.
        assert found is None or Path(found.origin or "").resolve().is_relative_to("/etc") or str(
            found.origin
        ).startswith(sysconfig.get_paths()["stdlib"])
    allowed = [Path(sys.base_prefix).resolve(), PACKAGES, HERE]
    strange = [entry for entry in sys.path if not any(Path(entry).resolve().is_relative_to(root) for root in allowed)]
    assert not strange


def replacers_in(file: Path) -> set[str]:
    """What of a file could put something in the place of something else."""
    used: set[str] = set()
    tree = ast.parse(file.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                used |= {part for alias in names for part in alias.name.split(".")}
                used |= set((getattr(node, "module", None) or "").split("."))
            case ast.Name(id=name) | ast.arg(arg=name):
                used.add(name)
            # A part of a package is changed by an assignment to an attribute of its module, or of a class in it.
            case ast.Assign(targets=targets):
                told = [target for target in targets if not ast.unparse(target).startswith("os.environ[")]
                owners = [ast.unparse(part.value) for target in told for part in ast.walk(target) if isinstance(part, ast.Attribute)]
                if any(owner.split(".")[0] in imported for owner in owners):
                    used.add("setattr")
    return used & REPLACERS


def test_no_scenario_replaces_anything() -> None:
    found = {file.name: replacers_in(file) for file in HERE.glob("*.py")}
    assert len(found) > 5
    assert not any(found.values()), found


def test_nobody_else_is_reached(settings: Settings) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://login.microsoftonline.com/", timeout=10)
    assert requests.get(f"{settings.url}/discovery", timeout=10).ok
