"""What is accepted, and how the rest is refused: never by a panic."""

import numpy as np
import pandas as pd
import pytest
import retrial

N, C = [100, 100, 100], [0, 41, 97]


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i4", ">u8", "i8", "u2"])
def test_integers_of_any_type_and_layout(dtype):
    want = retrial.pass_at_k(N, C, [1, 10])
    c = np.array(C, dtype)
    c.setflags(write=False)
    matrix = np.array([C, C], dtype).T
    for given in [c, list(C), tuple(C), pd.Series(c), np.repeat(c, 2)[::2], c[::-1][::-1], matrix[:, 1]]:
        got = retrial.pass_at_k(100, given, np.array([1, 10]))
        np.testing.assert_array_equal(got.value, want.value)
        np.testing.assert_array_equal(got.high, want.high)
    assert retrial.pass_at_k(100, 50, 1).value == 0.5


def test_a_curve_is_numbers_or_arrays():
    one, several = retrial.pass_at_k(N, C, 10), retrial.pass_at_k(N, C, [10])
    assert isinstance(one.value, float) and one.k == 10
    assert several.value.dtype == np.float64 and several.k.dtype == np.uint64
    assert one.value == several.value[0]
    frame = one.to_frame()
    assert list(frame.columns) == ["k", "value", "low", "high"] and len(frame) == 1
    alone = retrial.pass_at_k(10, 3, 2, scope="population")
    assert alone.value > 0 and np.isnan(alone.low), "one problem says nothing of others"
    np.testing.assert_allclose(retrial.per_problem(N, C, 1), [0, 0.41, 0.97])
    assert np.isnan(retrial.per_problem([5], [1], 6)[0])


BAD_COUNTS = {
    "c = 11 of n = 10": (10, [3, 11]),
    "c: got -1; must not be negative": (10, [-1]),
    "n: got -5": (-5, [1]),
    "c: got an array of float64; must be integers": (10, [1.0, float("nan")]),
    "got an array of bool": (10, [True]),
    "got an array of object": (10, [None]),
    "got an empty array": (10, []),
    "n = 0": (0, [0]),
    "shape mismatch": ([1, 2], [1, 2, 3]),
    "got an array of <U1": (10, ["3"]),
    "got an array of object; must": (10, [2**80]),
}


@pytest.mark.parametrize("says", BAD_COUNTS)
def test_bad_counts(says):
    n, c = BAD_COUNTS[says]
    for function in [lambda: retrial.pass_at_k(n, c, 1), lambda: retrial.Counts(n, c)]:
        with pytest.raises(ValueError) as raised:
            function()
        assert says in str(raised.value)


def refusals(counts, model):
    thing = object()
    return {
        "k: got 0; must be at least 1": lambda: retrial.pass_at_k(N, C, 0),
        "scope: got both; must be benchmark or population": lambda: retrial.pass_at_k(N, C, 1, scope="both"),
        "tau: got NaN": lambda: retrial.g_pass_at_k(N, C, 1, float("nan")),
        "problems: got a twice": lambda: retrial.Counts([1, 1], [0, 1], problems=["a", "a"]),
        "problems: got 1 names; there are 2 counts": lambda: retrial.Counts([1, 1], [0, 1], problems=["a"]),
        "batch: got 3; goes with stopped=True": lambda: retrial.Counts(9, [1], batch=3),
        "a sample stops at its first success": lambda: retrial.Counts(9, [2], stopped=True),
        "these counts have no clusters": lambda: counts.pass_at_k(1, scope="clusters"),
        "law: got nolaw; must be one of eq8": lambda: retrial.fit(counts, ["nolaw"]),
        "alpha of the law beta-binomial": lambda: retrial.Law("beta-binomial", alpha=-1, beta=1),
        "x of the law eq12": lambda: retrial.Law("eq12", x=1),
        "k: got 0.5; must be from 1 to 1e15": lambda: retrial.forecast(counts, 0.5),
        "k: got NaN": lambda: retrial.bounds(counts, [1, float("nan")]),
        "per_decade: got 0": lambda: retrial.difficulty(counts, per_decade=0),
        "target: got 2; must be above 0": lambda: price(counts, target=2),
        "budget: got NaN; must be a finite": lambda: price(counts, budget=float("nan")),
        "cost of a token": lambda: retrial.cost(counts, prompt_tokens=1, decode_tokens=1),
        "is a law of the curve": lambda: retrial.simulate(retrial.Law("log-log", a=1, b=1), 5, 5),
        "problems: got 1000000000000": lambda: retrial.simulate(retrial.Law("point", p=0.5), 10**12, 5),
        "trials to simulate": lambda: retrial.simulate(retrial.Law("point", p=0.5), 5, 0),
        "none in common": lambda: retrial.compare(counts, retrial.Counts(9, [1], problems=["other"])),
        "k: got 1000; the fewest attempts": lambda: retrial.compare(counts, counts, k=1000),
        "device: got abacus": lambda: model.sample(5, device="abacus"),
        "precision: got f128": lambda: model.sample(5, precision="f128"),
        "kernel: got none-such": lambda: model.sample(5, device="cpu", kernel="none-such", images=np.zeros((2, 25))),
        "trials: got 0": lambda: model.sample(0),
        "thresholds: got 1 after 2": lambda: model.sample(5, thresholds=[2.0, 1.0]),
        "threshold 1: got NaN": lambda: model.sample(5, thresholds=[float("nan")]),
        "temperature": lambda: model.sample(5, -1.0, device="cpu", images=np.zeros((2, 25))),
        "images: got 24 pixels per image": lambda: model.sample(5, device="cpu", images=np.zeros((2, 24))),
        "images: value [1, 0]: got 2": lambda: model.sample(5, images=np.repeat([0, 2], 25).reshape(2, 25)),
        "images: got shape [25]": lambda: model.sample(5, images=np.zeros(25)),
        "images: got an array of object": lambda: model.sample(5, images=thing),
        "noise: got shape [2, 3]": lambda: model.errors(np.zeros((2, 3))),
        "noise value 0: got NaN": lambda: model.errors(np.full((1, 1, 3), np.nan)),
        "trials: got 0; must be 1": lambda: model.noise(0, 0),
        "epochs: got 0": lambda: retrial.Model.train(np.zeros((2, 25)), epochs=0),
    }


def price(counts, **options):
    return retrial.cost(counts, prompt_tokens=1, decode_tokens=1, flops_per_token=1, **options)


def test_refusals(model):
    counts = retrial.Counts(N, C)
    for says, function in refusals(counts, model).items():
        with pytest.raises(ValueError) as raised:
            function()
        assert says in str(raised.value), str(raised.value)


def test_other_exceptions(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot read .*nowhere"):
        retrial.Counts.read(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError, match="cannot read .*nowhere"):
        retrial.Model.load(tmp_path / "nowhere.pt")
    with pytest.raises(OverflowError):
        model.noise(-1, 2)
    with pytest.raises(OverflowError):
        model.noise(0, range(5, 0, -1))
    with pytest.raises(TypeError):
        retrial.Counts.read(3)
    with pytest.raises(KeyError, match="was not fitted"):
        retrial.fit(retrial.Counts(N, C), ["eq8"])["beta-binomial"]
    with pytest.raises(KeyError, match="no fit: no trial succeeded"):
        retrial.fit(retrial.Counts(N, 0))["beta-binomial"]
    assert issubclass(retrial.Error, RuntimeError)
    if not any(device.device.startswith("cuda") for device in retrial.devices()):
        with pytest.raises(retrial.Error, match="device cuda"):
            model.sample(5, device="cuda")


def test_files_and_frames(tmp_path):
    path = tmp_path / "two.jsonl"
    rows = [{"model": model, "problem_id": p, "passed": p % 2} for model in "ab" for p in range(4) for _ in range(3)]
    frame = pd.DataFrame(rows)
    frame.to_json(path, orient="records", lines=True)
    for source in [path, str(path), [path], frame]:
        for name in "ab":
            counts = retrial.Counts.read(source, columns={"success": "passed"}, group=name)
            assert (counts.model, counts.n.tolist(), counts.c.tolist()) == (name, [3] * 4, [0, 3, 0, 3])
        assert [counts.model for counts in retrial.Counts.read_all(source, columns={"success": "passed"})] == ["a", "b"]
        with pytest.raises(ValueError, match="2 groups of counts; name one by group=, of a; b"):
            retrial.Counts.read(source, columns={"success": "passed"})
        with pytest.raises(ValueError, match="group: got c"):
            retrial.Counts.read(source, columns={"success": "passed"}, group="c")
    with pytest.raises(ValueError, match="^DataFrame: header, column num_correct"):
        retrial.Counts.read(frame.drop(columns="passed"))
    again = retrial.Counts.read(counts.to_frame())
    assert (again.problems, again.c.tolist(), again.model) == (counts.problems, counts.c.tolist(), "b")
    with pytest.raises(ValueError, match="read-only"):
        again.c[0] = 1


def test_attempts_that_seem_stopped_are_warned_of():
    n, c = [3, 5, 2, 90, 90, 4, 7, 90], [1, 1, 1, 0, 0, 1, 1, 0]
    with pytest.warns(UserWarning, match="stopped=True"):
        retrial.Counts(n, c)
    stopped = retrial.Counts(n, c, stopped=True)
    assert stopped.batch == 1 and stopped.reach == 90
    with pytest.raises(ValueError, match="product-limit"):
        stopped.pass_hat_k(1)


def test_frames_need_pandas(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    curve = retrial.pass_at_k(N, C, 1)
    assert curve.columns()["k"].tolist() == [1]
    with pytest.raises(ImportError, match=r"columns\(\)"):
        curve.to_frame()
