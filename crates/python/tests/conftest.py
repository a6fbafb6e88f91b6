"""What the tests share: the command line of the same build, counts of several kinds, and a small model."""

import json
import os
import subprocess

import numpy as np
import pytest
import retrial


@pytest.fixture(scope="session")
def cli():
    """Runs a command and returns what it prints, as JSON or, with text=True, as it is."""
    binary = os.environ["RETRIAL"]  # the binary of the same build; tests/run sets it

    def run(*arguments, text=False):
        arguments = [binary, *map(str, arguments)] + ([] if text else ["--json"])
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout if text else json.loads(done.stdout)

    return run


KINDS = {
    "many attempts": "beta-binomial:alpha=4.65,beta=0.361",
    "few attempts": "zero-inflated:A=0.7,alpha=3,beta=0.4",
    "stopped": "beta-binomial:alpha=4.65,beta=0.361",
    "batches": "beta-binomial:alpha=3,beta=0.5",
    "unequal attempts": None,
}


@pytest.fixture(scope="session", params=KINDS)
def case(request, cli, tmp_path_factory):
    """A file of counts, the options of the command line that it needs, and what Counts.read makes of it."""
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    flags, options, name = [], {}, request.param
    if name == "unequal attempts":
        rows = [(20 + 7 * i % 40, i * i % (20 + 7 * i % 40)) for i in range(30)]
        path.write_text("problem_id,num_samples,num_correct\n" + "".join(f"p{i},{n},{c}\n" for i, (n, c) in enumerate(rows)))
    else:
        if name == "stopped":
            flags, options = ["--stopped"], {"stopped": True}
        if name == "batches":
            flags, options = ["--stopped", "--batch", "20"], {"stopped": True, "batch": 20}
        problems, attempts = {"few attempts": (60, 20), "stopped": (40, 60)}.get(name, (80, 150))
        table = cli("simulate", "--law", KINDS[name], "--problems", problems, "--attempts", attempts, *flags, text=True)
        path.write_text(table)
    return path, flags, retrial.Counts.read(path, **options)


@pytest.fixture(scope="session")
def images():
    """Six images of 5 x 5 grey squares: float32, [6, 25]."""
    rng = np.random.default_rng(1)
    return rng.uniform(0, 1, (6, 25)).astype(np.float32)


@pytest.fixture(scope="session")
def model(images):
    return retrial.Model.train(images, epochs=40, batch=3, hidden=16, latent=3)
