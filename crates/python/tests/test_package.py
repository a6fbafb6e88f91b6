"""The package itself: types, docstrings, examples."""

import doctest
import inspect
import os
import pathlib
import subprocess
import sys

import retrial

HERE = pathlib.Path(__file__).parent


def test_types_are_those_of_the_module(tmp_path):
    (tmp_path / "allowed").write_text("retrial._retrial.__all__\n")  # the package lists what is public
    stubtest = [sys.executable, "-m", "mypy.stubtest", "retrial", "--allowlist", "allowed"]
    done = subprocess.run(stubtest, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_programs_are_checked_by_mypy(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy as np\nimport retrial\n"
        "counts = retrial.Counts(100, np.array([1, 2]))\n"
        "name: str = retrial.fit(counts)['eq8'].law.name\n"
        "retrial.pass_at_k(10, [1, 2], 3, scope='both')\n"
    )
    checked = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    done = subprocess.run(checked, cwd=tmp_path, capture_output=True, text=True)
    assert "program.py:5" in done.stdout and "Found 1 error" in done.stdout, done.stdout + done.stderr


def test_everything_public_has_a_docstring():
    for name in retrial.__all__:
        thing = getattr(retrial, name)
        assert name.startswith("__") or inspect.getdoc(thing), name
        if inspect.isclass(thing) and thing is not retrial.Error:
            for method, value in vars(thing).items():
                assert method.startswith("_") or inspect.getdoc(value) or method in thing.__doc__, f"{name}.{method}"


def test_the_docstring_of_the_package():
    tested = doctest.testmod(retrial)
    assert tested.attempted > 0 and tested.failed == 0


def test_the_version_is_that_of_the_command_line(cli):
    assert cli("--version", text=True).split() == ["retrial", retrial.__version__]


def test_the_example(tmp_path):
    script = HERE.parent / "examples" / "forecast.py"
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "forecast.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000
