"""The lines of Python in README.md's quick start of the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ESTATE = ROOT / "examples" / "emulator" / "estate.yaml"


def test_the_sdk_is_brought_here_by_variables_alone(tmp_path: Path) -> None:
    """As README.md says: `azureml-emulator env` tells all that the SDK has to know."""
    program = os.environ.get("CLIENTS_EMULATOR")
    if program is None:
        pytest.fail("CLIENTS_EMULATOR is not set: run this by scripts/clients")
    section = (ROOT / "README.md").read_text().split("\n## The emulator alone\n")[1].split("\n## ")[0]
    code = section.split("```python\n")[1].split("```")[0]
    ready = tmp_path / "ready.json"
    serve = [program, "serve", "--estate", str(ESTATE), "--ready-file", str(ready), "--tls-dir", str(tmp_path / "tls")]
    with subprocess.Popen(serve) as process:
        try:
            limit = time.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None and time.monotonic() < limit
                time.sleep(0.02)
            told = [program, "env", "--ready-file", str(ready), "--estate", str(ESTATE), "--format", "json"]
            variables = json.loads(subprocess.check_output(told))
            printed = subprocess.check_output([sys.executable, "-c", code], env=os.environ | variables, text=True)
        finally:
            process.kill()
    assert sorted(json.loads(printed.strip().splitlines()[-1].replace("'", '"'))) == ["loans", "loans-csv"]
