"""What type checkers say of scripts that use the public names, rightly and wrongly."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sknorm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INSTALLED = Path(sknorm.__file__).parents[1]
Place = tuple[str, int]


@pytest.fixture
def scripts(tmp_path: Path) -> list[Path]:
    """The scripts in a folder of their own: both in the tests, the README's and the example."""
    readme = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert readme is not None
    given = [HERE / "right.py", HERE / "wrong.py", *(ROOT / "docs/examples").glob("*.py")]
    texts = {path.name: path.read_text() for path in given} | {"readme.py": readme[1]}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in texts]


def run(arguments: list[str], folder: Path, **environment: str) -> str:
    """What a type checker prints."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=folder,
        timeout=300, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(scripts: list[Path]) -> set[Place]:
    """Lines that ``mypy --strict`` refuses."""
    folder = scripts[0].parent
    # It refers to all array libraries; to read PyTorch takes longer than all the rest.
    (folder / "mypy.ini").write_text("[mypy-array_api_compat.*]\nfollow_imports = skip\n")
    options = ["--strict", "--ignore-missing-imports", "--follow-imports=silent", "--output=json"]
    names = [path.name for path in scripts]
    path = {} if "site-packages" in INSTALLED.parts else {"MYPYPATH": str(INSTALLED)}
    lines = run(
        ["mypy", f"--cache-dir={os.devnull}", *options, *names], folder, **path
    ).splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return {(each["file"], each["line"]) for each in found if each["severity"] == "error"}


def pyright(scripts: list[Path]) -> set[Place]:
    """Lines that pyright refuses, as basedpyright has it: its wheels need no network."""
    folder = scripts[0].parent
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(INSTALLED)]}
    settings |= {"reportMissingImports": "none"}  # of what only the examples need
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    answer = run(["basedpyright", "--outputjson", "--pythonpath", sys.executable], folder)
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in json.loads(answer)["generalDiagnostics"]
        if each["severity"] == "error"
    }


@pytest.mark.parametrize("checker", [mypy, pytest.param(pyright, marks=pytest.mark.thorough)])
def test_exactly_the_wrong_lines_are_refused(
    scripts: list[Path], checker: Callable[[list[Path]], set[Place]]
) -> None:
    lines = {
        (path.name, number): line
        for path in scripts
        for number, line in enumerate(path.read_text().splitlines(), 1)
    }
    expected = {place for place, line in lines.items() if "  # error" in line}
    refused = checker(scripts)
    assert len(expected) > 50
    assert [(place, lines[place]) for place in sorted(expected - refused)] == []
    assert [(place, lines[place]) for place in sorted(refused - expected)] == []


def test_right_uses_run(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(HERE / "right.py"))
