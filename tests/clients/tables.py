"""A table that a model can learn, and folders and files of it."""

from __future__ import annotations

from pathlib import Path

COLUMNS = ["age", "job", "balance"]
JOBS = ["admin", "technician", "retired"]


def row(number: int) -> tuple[int, str, int, str]:
    """Age, job, balance, and an answer that mostly follows from them."""
    age, job, balance = 18 + number * 7 % 60, JOBS[number % 3], number * 37 % 1000 - 200
    likely = age > 45 or job == "retired"
    return age, job, balance, "yes" if likely != (number % 11 == 0) else "no"


def csv(rows: int = 120) -> str:
    """As a file."""
    lines = [",".join(map(str, row(number))) for number in range(rows)]
    return "\n".join([",".join([*COLUMNS, "y"]), *lines]) + "\n"


def mltable(folder: Path, rows: int = 120) -> Path:
    """A folder with the table and an MLTable file beside it."""
    folder.mkdir(parents=True)
    (folder / "people.csv").write_text(csv(rows))
    (folder / "MLTable").write_text(
        "paths:\n  - file: ./people.csv\n"
        "transformations:\n  - read_delimited:\n      delimiter: ','\n      header: all_files_same_headers\n"
    )
    return folder
