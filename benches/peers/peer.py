"""What every peer shares: the problem, the check, the clock, and the protocol with `run`.

A peer draws noise, decodes, takes L2 errors, and counts successes and first successes per image and threshold. It builds
two functions on a `Problem`: `errors(noise) -> [images, trials]` and `count(seed, steps, chunk) -> counts, firsts`, both
`[images, thresholds]`; first successes count from 1, and NEVER means none. It is timed only after both were checked.
"""

import argparse, json, sys, time
import numpy as np

NEVER = 2**31 - 1
# Largest root mean square difference of errors from Retrial's f64 reference. bf16 frameworks round logits to 8 bits too.
TOLERANCE = {"fp32": 2e-5, "tf32": 5e-3, "fp16": 5e-3, "bf16": 3e-2}


class Problem:
    """Arrays of the file that `run` wrote, as attributes: decoder, posterior, images, thresholds, and what to expect."""

    def __init__(self, path):
        with np.load(path) as arrays:
            vars(self).update({name: arrays[name] for name in arrays.files})
        self.n, self.latent = self.mu.shape
        self.pixels = self.images.shape[1]


def check_errors(problem, errors, dtype):
    got = np.asarray(errors(problem.noise), np.float64)
    rms = float(np.sqrt(np.mean((got - problem.errors) ** 2)))
    assert got.shape == problem.errors.shape and rms <= TOLERANCE[dtype], f"errors are off by {rms:.1e}"
    return rms


def check_counts(problem, counts, firsts, trials):
    """Counts fit their first successes, and pass@1 is Retrial's within six standard errors of both samples."""
    counts, firsts = np.asarray(counts, np.int64), np.asarray(firsts, np.int64)
    assert ((firsts == NEVER) == (counts == 0)).all() and counts.max() <= trials and firsts.min() >= 1
    assert (firsts[counts > 0] <= trials).all()
    k = int(problem.trials)
    p = (problem.successes + counts + 1) / (k + trials + 2)
    deviation = np.sqrt((p * (1 - p)).sum(0) * (1 / trials + 1 / k))
    z = (counts / trials - problem.successes / k).sum(0) / deviation
    assert (np.abs(z) <= 6).all(), f"pass@1 is off by {z} standard errors"


def serve(build):
    """At a first line `go` on stdin builds, checks and chooses a chunk; at each further one times a run of all trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problem", required=True)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="fp32", choices=list(TOLERANCE))
    parser.add_argument("--mode", default="eager")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--chunks", default="4,8,16", help="trials per image and step; the fastest is taken")
    args = parser.parse_args()
    problem = Problem(args.problem)
    sys.stdin.readline()  # what tunes itself beside another chooses badly
    errors, count, about = build(problem, args)
    rms = check_errors(problem, errors, args.dtype)

    def timed(chunk, seed):
        start = time.perf_counter()
        counts, firsts = count(seed, -(-args.trials // chunk), chunk)
        return time.perf_counter() - start, counts, firsts

    best = None
    for chunk in (int(c) for c in args.chunks.split(",")):
        try:
            timed(chunk, 1)  # compiles, warms up
            seconds, counts, firsts = timed(chunk, 2)
        except (MemoryError, RuntimeError) as fault:
            if "memory" not in str(fault).lower():
                raise
            continue
        trials = -(-args.trials // chunk) * chunk
        check_counts(problem, counts, firsts, trials)
        if best is None or seconds / trials < best[0]:
            best = (seconds / trials, chunk, trials)
    assert best, "no chunk fits the memory"
    _, chunk, trials = best
    print(json.dumps({"ready": True, "chunk": chunk, "rms": rms, **about}), flush=True)
    for seed, line in enumerate(sys.stdin, 3):
        if line.strip() != "go":
            break
        seconds, counts, firsts = timed(chunk, seed)
        check_counts(problem, counts, firsts, trials)
        print(json.dumps({"seconds": seconds, "trials": trials * problem.n}), flush=True)
