"""What the GPU suite does, a function a step: each returns what it found, with "failed" where something is wrong, and
with "missing" too where it could not be looked at."""

import contextlib, datetime, json, os, pathlib, platform, re, signal, statistics, subprocess, sys, tempfile, time

import report

HERE = pathlib.Path(__file__).resolve().parent
RETRIAL = str(HERE / "retrial")
DATA = HERE / "data"
IMAGES = DATA / "fashion-mnist-400-images-idx3-ubyte.gz"
MODEL = ["--weights", str(DATA / "weights.safetensors"), "--data", str(IMAGES)]
SCRATCH = tempfile.TemporaryDirectory()
SECTIONS = ["SpeedOfLight", "ComputeWorkloadAnalysis", "MemoryWorkloadAnalysis", "WarpStateStats", "SourceCounters"]
# Largest relative error that a precision may make on the golden trials.
GOLDEN = {"f32": 5e-6, "f16x3": 5e-6, "f16": 4e-3, "bf16": 3e-2}
END = float("inf")  # when the minutes are over


class OutOfTime(Exception):
    """The minutes ended within a step, which says nothing of it."""


def call(command, limit):
    """Runs a command; its output, or what it said when it failed. At the limit, all that it started ends with it."""
    begin, left = time.time(), END - time.time()
    result = {"command": " ".join(map(str, command))}
    try:
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    except OSError as error:
        return missing(str(error)) | result
    try:
        out, err = process.communicate(timeout=max(1, min(limit, left)))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if left < limit:
            raise OutOfTime
        return result | {"failed": f"took longer than {limit} s", "late": True}
    result |= {"code": process.returncode, "seconds": round(time.time() - begin, 2)}
    if process.returncode:
        result["failed"] = (err.strip() or out.strip() or f"exit code {process.returncode}")[-2000:]
    return result | {"stdout": out, "stderr": err[-2000:]}


def call_json(command, limit):
    result = call(command, limit)
    try:
        result["result"] = json.loads(result.pop("stdout", ""))
    except ValueError:
        result.setdefault("failed", "no JSON came back")
    return result


def missing(why):
    """What could not be run, which is no failure of what it would have looked at."""
    return {"missing": True, "failed": why}


def retrial(command, backend, *flags, limit):
    return call_json([RETRIAL, command, "--device", backend, *flags, "--json"], limit)


def by(kernel, precision):
    """Flags that name a kernel, or an implementation of score."""
    return ["--kernel", kernel, *(["--precision", precision] if precision else [])]


def commit():
    return (HERE / "commit").read_text().strip()


def facts():
    smi = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit", "--format=csv"]
    nvcc = call(["nvcc", "--version"], 30).get("stdout", "").strip().splitlines()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "host": platform.platform(),
        "cpus": os.cpu_count(),
        "nvidia_smi": call(smi, 30).get("stdout", ""),
        "nvcc": nvcc[-1] if nvcc else None,
        "retrial": retrial("info", "cpu", limit=60).get("result"),
    }


def device(backend):
    """Opens a device and runs its simplest kernel; tells the implementations of score without running one."""
    result = retrial("validate", backend, "--kernel", "pass_at_k", limit=60)
    return result if "result" in result else result | {"missing": True}


def validate(backend, kernel, precision=None):
    """A kernel, or an implementation of score, at every hostile shape, and its accuracy on the model."""
    return retrial("validate", backend, *by(kernel, precision), *MODEL, limit=120)


def proof(backend):
    """What `retrial sample` makes of each implementation before it counts anything."""
    return retrial("info", backend, limit=90)


def golden(backend, kernel, precision):
    """The errors that another framework found for the same noise, in f64."""
    noise, want = DATA / "golden_eps.npy", DATA / "golden_err_T1.0.npy"
    if not noise.exists():
        return missing("not packed: no golden data")
    try:
        import numpy as np
    except ImportError:
        return missing("no NumPy")
    got = f"{SCRATCH.name}/{backend}-{kernel}-{precision}.npy"
    result = retrial("score", backend, *MODEL, *by(kernel, precision), "--noise", noise, "--out", got, limit=120)
    if "failed" in result:
        return result
    found = result["result"]
    if (found["kernel"], found["precision"]) != (kernel, precision):
        return result | {"failed": f"{found['kernel']} in {found['precision']} stood in for it"}
    off = np.load(got).astype("f8") / np.load(want) - 1
    largest, bound = float(np.abs(off).max()), GOLDEN[precision]
    result |= {"largest_relative_error": largest, "mean_relative_error": float(off.mean())}
    return result if largest < bound else result | {"failed": f"off by {largest:.1e}, beyond {bound}"}


def sanitize(tool, backend, kernel=None, precision=None):
    """An implementation under compute-sanitizer at the paper's shape; without one, the other kernels."""
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9"]
    command += ["--report-api-errors", "no"] if tool == "memcheck" else []
    command += [RETRIAL, "validate", "--device", backend]
    if kernel:
        command += [*by(kernel, precision), "--shape", "784-400-20", "--samples", "2", "--trials", "128"]
    else:
        command += ["--shape", "97-61-7", "--samples", "3", "--trials", "150"]
    result = call(command, 90)
    lines = (result.pop("stdout", "") + result.pop("stderr", "")).splitlines()
    lines = [line for line in lines if line.startswith("=====")]
    result["said"] = "\n".join(lines)[:4000]  # findings come first and repeat themselves
    result["summary"] = next((line.strip("= ") for line in reversed(lines) if "SUMMARY" in line), None)
    found = re.search(r"SUMMARY: (\d+)", result["summary"] or "")
    if result.get("code") == 9 or found and int(found[1]):
        result["failed"] = result["summary"] or "it found errors"
    elif not found:  # neither the tool's verdict nor a pass
        result |= missing(result.get("failed", "no summary came back"))
    return result


def ceilings():
    """What the memory and the arithmetic give a large copy and a large product: PyTorch's, on random data."""
    result = call_json([sys.executable, HERE / "ceilings.py"], 60)
    return result | {"missing": True} if "failed" in result else result


def bench(backend, kernel, precision=None):
    """A kernel, or an implementation of score, by the device's clock: dense, as the model is, and counts alone."""
    size = {"cuda": 32768, "wgsl": 8192}.get(backend, 256)
    return retrial("bench", backend, *MODEL, *by(kernel, precision), "--samples", 400, "--trials", size, limit=90)


def sample(backend, precision, done):
    """The whole way from noise to a finished run on the trained model at T = 1, by wall clock: all errors with
    histogram and records, then counts alone, at thresholds that 0.1 % and 1 % of trials pass. Their counts must be the
    same."""
    best = report.best(done, backend, precision)
    if not best:
        return missing("nothing of it was timed")
    trials = min(max(int(best["units_per_second"] * 1.5 / 400), 1000), 10**7)
    out = pathlib.Path(SCRATCH.name) / f"sample-{backend}"
    flags = [*MODEL, *by(best["variant"], precision), "--trials", trials, "--correlate", 2, "--force"]
    found = {"kernel": best["variant"], "precision": precision, "trials": trials}
    for name in ("full", "counts-only"):
        more = ["--counts-only", "--thresholds", rare(out / "full")] if name == "counts-only" else []
        runs = [retrial("sample", backend, *flags, *more, "--out", out / name, limit=60) for _ in range(2)]
        if failed := next((run for run in runs if "failed" in run), None):
            return found | failed
        took = [run["result"]["run"] for run in runs]
        if any((one["kernel"], one["precision"]) != (best["variant"], precision) for one in took):
            return found | {"failed": f"{took[0]['kernel']} in {took[0]['precision']} stood in for it"}
        found[name] = [run["result"]["speed"]["trials_per_second"] for run in runs]
    return found | same_counts(out / "full", out / "counts-only")


def rare(run):
    """The thresholds of a run that 0.1 % and 1 % of trials pass, with a comma."""
    return ",".join(map(repr, json.loads((run / "run.json").read_text())["thresholds"][1:3]))


def same_counts(full, counts_only):
    try:
        import numpy as np
    except ImportError:
        return {}
    for name in ("successes.npy", "first_success.npy"):
        if not (np.load(full / name)[:, 1:3] == np.load(counts_only / name)).all():
            return {"failed": f"{name} of counts alone differs from that of all errors"}
    return {"same_counts": True}


def peers(only):
    """Peers whose names contain a word, in every precision, on the same work."""
    command = [sys.executable, HERE / "peers/run", "--device", "cuda", "--json", "--rounds", "3", "--only", only]
    command += [*MODEL, "--retrial", RETRIAL, "--problem", f"{SCRATCH.name}/problem", "--peers-only"]
    result = call_json(command, 150)
    if "failed" not in result and not result["result"]["rows"]:
        return result | missing(result["stderr"] or "no peer ran")
    return result


def ncu(rank, done, out):
    """What the counters say of one of the fastest two implementations, in windows that come after proof and pilot."""
    ranked = report.fastest(done, "cuda")
    firsts = [row for i, row in enumerate(ranked) if row["variant"] not in [r["variant"] for r in ranked[:i]]]
    if len(firsts) <= rank:
        return missing("nothing of it was timed")
    kernel, precision = firsts[rank]["variant"], firsts[rank]["precision"]
    log = out / f"ncu-{kernel}-{precision}.txt"
    command = ["ncu", "--log-file", log, "--clock-control", "none", "--print-details", "all"]
    command += [flag for section in SECTIONS for flag in ("--section", section)]
    command += ["--kernel-name", "regex:^score", "--launch-skip", "24", "--launch-count", "3"]
    command += [RETRIAL, "sample", "--device", "cuda", *MODEL, *by(kernel, precision)]
    command += ["--trials", "400000", "--window", "8192", "--correlate", "2", "--force", "--out", f"{SCRATCH.name}/ncu"]
    result = call(command, 80) | {"kernel": kernel, "precision": precision, "file": log.name}
    result.pop("stdout", None)
    text = log.read_text(errors="replace") if log.exists() else ""
    if "Section:" not in text:
        said = [line for line in text.splitlines() if line.startswith(("==ERROR==", "==WARNING=="))]
        return result | missing(said[-1] if said else result.get("failed", "it profiled nothing"))
    return result | {"metrics": report.metrics(text)}


@contextlib.contextmanager
def watched(part):
    """Clock, power and temperature of the first GPU during a step, where nvidia-smi tells them."""
    log = pathlib.Path(SCRATCH.name) / "smi"
    query = "--query-gpu=clocks.sm,power.draw,temperature.gpu,utilization.gpu"
    command = ["nvidia-smi", "-i", "0", query, "--format=csv,noheader,nounits", "-lms", "100"]
    with log.open("w") as file:
        try:
            smi = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        except OSError:
            yield
            return
        try:
            yield
        finally:
            smi.terminate()
            smi.wait()
    rows = []
    for line in log.read_text().splitlines():
        with contextlib.suppress(ValueError):
            rows.append([float(cell) for cell in line.split(",")])
    busy = [row for row in rows if len(row) == 4 and row[3] >= 50]
    if busy:
        clocks, watts, degrees, _ = zip(*busy)
        part["gpu"] = {"mhz": statistics.median(clocks), "least_mhz": min(clocks), "watts": max(watts),
                       "celsius": max(degrees), "readings": len(busy)}
