"""What goes into a report of a fault."""

import platform
from importlib.metadata import version

import pytest

import sknorm


def test_libraries_are_told_with_their_versions(capsys: pytest.CaptureFixture[str]) -> None:
    sknorm.show_versions()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"sknorm: {sknorm.__version__}"
    assert lines[1].startswith(f"python: {platform.python_version()}")
    assert f"numpy: {version('numpy')}" in lines
    told = {line.split(":")[0] for line in lines}
    assert told >= {"scikit-learn", "pandas", "onnx", "onnxruntime", "skl2onnx", "skops"}
