"""The same numbers as the command line, to the last digit."""

import math

import numpy as np
import pytest
import retrial

KS = [1, 7, 20, 100]


def same(got, want):
    """Equal to the bit; what JSON calls null is NaN here."""
    want = [math.nan if value is None else value for value in np.atleast_1d(np.array(want, dtype=object))]
    np.testing.assert_array_equal(np.atleast_1d(got), np.array(want, dtype=float))


def ends(points, name, side):
    return [point[name] and point[name][side] for point in points]


def test_coverage(cli, case):
    path, flags, counts = case
    (group,) = cli("coverage", path, "--k", "1,7,20,100", "--tau", "0.5", *flags)
    curves = {"unbiased pass@k": counts.pass_at_k, "product-limit pass@k": counts.pass_at_k}
    curves |= {"first-success pass@k": counts.pass_at_k, "pass^k": counts.pass_hat_k}
    curves["G-Pass@k, tau 0.5"] = lambda k, **scope: counts.g_pass_at_k(k, 0.5, **scope)
    assert group["estimates"]
    for estimate in group["estimates"]:
        points, curve = estimate["points"], curves[estimate["estimate"]]
        for scope, name in [("benchmark", "fixed_benchmark"), ("population", "resampled_problems")]:
            got = curve(KS, scope=scope)
            same(got.value, [point["value"] for point in points])
            same(got.low, ends(points, name, 0))
            same(got.high, ends(points, name, 1))
            same(curve(7, scope=scope).value, points[1]["value"])


def test_coverage_of_arrays(cli, tmp_path):
    n, c = [30, 40, 50], [0, 7, 50]
    path = tmp_path / "counts.csv"
    path.write_text("problem_id,num_samples,num_correct\n" + "".join(f"{i},{n[i]},{c[i]}\n" for i in range(3)))
    (group,) = cli("coverage", path, "--k", "1,30,31", "--tau", "0.2")
    of = [retrial.pass_at_k, retrial.pass_hat_k, lambda n, c, k: retrial.g_pass_at_k(n, c, k, 0.2)]
    for estimate, function in zip(group["estimates"], of, strict=True):
        got, points = function(n, c, [1, 30, 31]), estimate["points"]
        same(got.value, [point["value"] for point in points])
        same(got.low, ends(points, "fixed_benchmark", 0))
        assert math.isnan(got.value[2]) and points[2]["value"] is None


def test_scopes_of_clusters_and_moments(cli, tmp_path):
    path = tmp_path / "counts.csv"
    rows = "".join(f"p{i},{i % 4},50,{i * i % 51}\n" for i in range(40))
    path.write_text("problem_id,cluster,num_samples,num_correct\n" + rows)
    (group,) = cli("coverage", path, "--k", "1,7,20", "--anytime")
    points, counts = group["estimates"][0]["points"], retrial.Counts.read(path)
    for scope, name in [("clusters", "resampled_clusters"), ("anytime", "any_moment")]:
        got = counts.pass_at_k([1, 7, 20], scope=scope)
        same(got.low, ends(points, name, 0))
        same(got.high, ends(points, name, 1))


@pytest.mark.parametrize("bootstrap", [0, 20])
def test_fit(cli, case, bootstrap):
    path, flags, counts = case
    want = cli("fit", path, "--bootstrap", bootstrap, *flags)
    got = retrial.fit(counts, bootstrap=bootstrap)
    assert len(got.laws) + len(got.no_fit) == len(want) == 11
    for law in want:
        if law["parameters"] is None:
            assert law["verdict"] == f"there is no fit: {got.no_fit[law['law']]}"
            continue
        fit = got[law["law"]]
        assert fit.law.parameters == law["parameters"]
        assert (fit.by, fit.nll, fit.aic, fit.bic) == (law["by"], law["nll"], law["aic"], law["bic"])
        assert (fit.rmse, fit.worst) == (law["misfit"]["rmse"], law["misfit"]["max"])
        assert fit.verdict == law["verdict"]
        intervals = {of["parameter"]: (of["low"], of["high"]) for of in law["intervals"]}
        finite = {name: tuple(v if math.isfinite(v) else None for v in of) for name, of in fit.intervals.items()}
        assert finite == intervals
        goodness = law["goodness"]
        assert fit.behind_npmle == (goodness and goodness["behind_npmle"])
        assert fit.p_value == (goodness and goodness["p_value"])
        if goodness:
            assert (got.npmle_nll, got.npmle_gap) == (goodness["npmle_nll"], goodness["npmle_gap"])


def test_forecast_and_bounds(cli, case):
    path, flags, counts = case
    ks = [100, 1e3, 1e6]
    want = cli("forecast", path, "--k", "100,1e3,1e6", "--bootstrap", 30, *flags)
    got = retrial.forecast(counts, ks, bootstrap=30)
    assert [method["method"] for method in want if not method["not_available"]] == got.methods
    for method in want:
        name, points = method["method"], method["points"]
        if method["not_available"]:
            assert got.not_available[name] == method["not_available"]
            continue
        curve = got[name]
        for column in ["value", "low", "high"]:
            same(getattr(curve, column), [point[column] for point in points])
    bounds = next(method for method in want if method["method"] == "worst-case bounds")
    same(retrial.bounds(counts, ks).low, [point["low"] for point in bounds["points"]])
    same(retrial.bounds(counts, 1e6).high, bounds["points"][2]["high"])
    columns = got.columns()
    assert len(columns["method"]) == len(got.methods) * 3 == len(columns["value"])


def test_difficulty(cli, case):
    path, flags, counts = case
    (want,) = cli("difficulty", path, "--per-decade", 3, *flags)
    got = retrial.difficulty(counts, per_decade=3)
    same(got.density, [of["density"] for of in want["density"]])
    same(got.edges[:-1], [of["from"] for of in want["density"]])
    same(got.edges[-1], want["density"][-1]["to"])
    same([got.resolution, got.share_resolution, got.unresolved],
         [want["resolution"], want["share_resolution"], want["unresolved"]])
    columns = got.columns()
    names = {"problem_id": "problem"}
    for name in columns:
        assert list(columns[name]) == [problem[names.get(name, name)] for problem in want["problems"]]


@pytest.mark.parametrize("law", ["eq8", "stretched"])
def test_cost(cli, case, law):
    path, flags, counts = case
    price = ["--prompt-tokens", 200, "--decode-tokens", 300, "--prompt-price", 1.1e-7, "--decode-price", 4.3e-7]
    target = ["--target", 0.93, "--budget", 0.05, "--law", law, "--bootstrap", 30]
    (want,) = cli("cost", path, *price, *target, *flags)
    got = retrial.cost(counts, prompt_tokens=200, decode_tokens=300, prompt_price=1.1e-7, decode_price=4.3e-7,
                       target=0.93, budget=0.05, law=law, bootstrap=30)
    wanted, bought = want["target"], want["budget"]
    assert (got.attempts, got.cost, got.forecast) == (wanted["attempts"], wanted["cost"], wanted["forecast"])
    assert [got.attempts_low, got.attempts_high] == (wanted["interval"] or [None, None])
    assert (got.affordable, got.coverage) == (bought["attempts"], bought["coverage"])
    assert got.allocation.tolist() == bought["allocation"]["trials"]
    assert (got.gain, got.even_gain) == (bought["allocation"]["gain"], bought["allocation"]["even_gain"])
    assert got.give_up_after.tolist() == bought["sequential"]["until"]
    assert got.sequential_gain == bought["sequential"]["gain"]
    for name, column in got.columns().items():
        same(column, [point[name] for point in want["measured"]])


def test_simulate(cli, case, tmp_path):
    law = retrial.Law("kumaraswamy", alpha=2, beta=0.3)
    table = cli("simulate", "--law", "kumaraswamy:alpha=2,beta=0.3", "--problems", 50, "--attempts", 90, "--seed", 7,
                text=True)
    path = tmp_path / "counts.csv"
    path.write_text(table)
    read, drawn = retrial.Counts.read(path), retrial.simulate(law, 50, 90, seed=7)
    assert (read.problems, read.model, read.benchmark) == (drawn.problems, drawn.model, drawn.benchmark)
    same(read.n, drawn.n)
    same(read.c, drawn.c)


def test_compare(cli, tmp_path):
    def write(name, seed):
        path = tmp_path / f"{name}.csv"
        path.write_text(cli("simulate", "--beta", "2,0.5", "--problems", 40, "--attempts", 30, "--seed", seed,
                            "--model", name, text=True))
        return path

    paths = [write(name, seed) for seed, name in enumerate(["a", "b", "c"], 1)]
    counts = [retrial.Counts.read(path) for path in paths]
    for few in [2, 3]:
        (want,) = cli("compare", *paths[:few], "--permutations", 500)
        got = retrial.compare(*counts[:few], permutations=500)
        points = [point for pair in want["pairs"] for point in pair["points"]]
        columns = got.columns()
        names = {"pass_a": "a", "pass_b": "b", "difference": "difference", "k": "k", "p": "p_these_problems",
                 "others_p": "p_other_problems"}
        for name, of in names.items():
            same(columns[name], [point[of] for point in points])
        for at, side in enumerate(["low", "high"]):
            same(columns[side], ends(points, "these_problems", at))
            same(columns[f"others_{side}"], ends(points, "other_problems", at))
        for pair, of in zip(got.pairs, want["pairs"], strict=True):
            assert (pair.a, pair.b, pair.a_better) == (of["a"], of["b"], of["bayes"]["a_better"])
            assert (pair.a_ahead, pair.b_ahead) == (of["wins"]["a"], of["wins"]["b"])
            assert pair.a_bayes == (of["bayes"]["a"]["mean"], of["bayes"]["a"]["deviation"])
    for ranking in want["rankings"]:
        for scope, name in [("benchmark", "these_problems"), ("population", "other_problems")]:
            ranks = got.ranking(ranking["k"], scope=scope)
            assert ranks["model"] == [rank["model"] for rank in ranking[name]]
            same(ranks["value"], [rank["value"] for rank in ranking[name]])
            same(ranks["first"], [rank["places"][0] for rank in ranking[name]])
            same(ranks["high"], [rank["interval"][1] for rank in ranking[name]])


def test_sampling(cli, model, images, tmp_path):
    weights, data, run = tmp_path / "w.safetensors", tmp_path / "images.npy", tmp_path / "run"
    model.save(weights)
    np.save(data, images)
    cli("sample", "--weights", weights, "--data", data, "--trials", 3000, "--temperature", 1.5, "--seed", 5, "--device",
        "cpu", "--out", run)
    for given in [data, images, images.astype(float).reshape(6, 5, 5)]:
        got = retrial.Model.load(weights).sample(3000, 1.5, images=given, seed=5, device="cpu")
        for name in ["thresholds", "successes", "first_success", "histogram", "histogram_edges"]:
            want = np.load(run / f"{name}.npy")
            array = getattr(got, name)
            assert array.dtype == want.dtype
            np.testing.assert_array_equal(array, want)
    of_run = retrial.Counts.read_all(run)[2]
    same(of_run.c, got.counts(got.thresholds[2]).c)
    same(of_run.pass_at_k([1, 10]).low, got.pass_at_k([1, 10])[2].low)
    few = model.sample(3000, 1.5, got.thresholds[:2], images=images, seed=5, device="cpu", counts_only=True)
    np.testing.assert_array_equal(few.successes, got.successes[:, :2])
    assert few.histogram is None


def test_training_and_noise(cli, model, images, tmp_path):
    data, out, eps, errors = (tmp_path / name for name in ["images.npy", "out", "eps.npy", "errors.npy"])
    np.save(data, images)
    cli("train", "--data", data, "--epochs", 40, "--batch", 3, "--hidden", 16, "--latent", 3, "--out", out)
    saved = tmp_path / "w.safetensors"
    model.save(saved)
    assert saved.read_bytes() == (out / "weights.safetensors").read_bytes()
    assert model.loss.shape == (40,) and model.shape == (25, 16, 3)

    cli("noise", "--samples", 6, "--trials", 9, "--first", 3, "--latent", 3, "--seed", 8, "--out", eps, text=True)
    noise = np.stack([model.noise(sample, range(3, 12), seed=8) for sample in range(6)])
    np.testing.assert_array_equal(noise, np.load(eps))
    np.testing.assert_array_equal(model.noise(2, 12, seed=8)[3:], noise[2])
    cli("score", "--weights", saved, "--data", data, "--noise", eps, "--device", "cpu", "--out", errors)
    for given in [noise, noise.astype(">f4"), np.asfortranarray(noise), noise.astype(float)]:
        np.testing.assert_array_equal(model.errors(given, images=images, device="cpu"), np.load(errors))
