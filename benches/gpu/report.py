"""What the GPU suite found, as Markdown, beside what was predicted before any kernel met a GPU."""

SHAPE_FLOPS = 2 * 400 * (20 + 784)  # of one trial of the paper's model, dense
QUANTITIES = ["SM Frequency", "Duration", "Compute (SM) Throughput", "Memory Throughput", "DRAM Throughput",
              "L2 Cache Throughput", "Executed Ipc Active", "No Eligible", "Warp Cycles Per Issued Instruction"]
BLOCKING, DOUBTS = ("golden", "memcheck"), ("racecheck", "synccheck")

# Millions of trials a second of the paper's model, nothing left out: implementation, precision, least and most, and
# where to look when it is less. From the headers of the kernels: an issue model, never held against hardware.
MMA = "wavefronts of shared memory above 100 %: a larger warp tile"
WGMMA = "waits for the other block's stages: a deeper ring, W3 out of shared memory"
HOPPER = [
    ("simt", "f32", 70, 74, "issue slots around the FMA: loads from shared memory, W3 in L1"),
    ("mma", "f16", 400, 450, MMA),
    ("mma", "bf16", 400, 450, MMA),
    ("mma", "f16x3", 133, 150, "three products a slab: the same places as f16"),
    ("wgmma-b0", "f16", 700, 850, "L2 above 5 TB/s: pairs of blocks first"),
    ("wgmma-b1", "f16", 850, 950, "gaps of some 600 cycles in the tensor pipe: groups in lockstep"),
    ("wgmma", "f16", 950, 1050, WGMMA),
    ("wgmma", "bf16", 950, 1050, WGMMA),
]
AMPERE = [("mma", "f16", 250, 300, MMA)]
ADA = [("mma", "f16", 205, 215, "half-rate f32 accumulation is the bound")]
# By what nvidia-smi calls them: an H100 on a PCIe card has fewer multiprocessors, and a lower clock.
PREDICTED = {"H100 80GB HBM3": HOPPER, "A100": AMPERE, "GeForce RTX 4090": ADA}
# What the tensor-core kernels are for, on one H100: precision, work, millions of trials a second.
GOALS = [("f16", "dense", 1000), ("f16x3", "dense", 330), ("f16", "counts-only", 3000)]
TIMES_PYTORCH = 10


def last(part):
    """The last line of what a part said."""
    return (part["failed"].strip().splitlines() or ["no message"])[-1][:150]


def verdict(part):
    if "failed" not in part:
        return "done"
    return ("not run: " if "missing" in part else "FAILED: ") + last(part)


def variants(done, backend):
    """The implementations of score that a device has, as (name, precision)."""
    device = (done.get(f"device {backend}", {}).get("result") or {}).get("device", {})
    return [(variant["kernel"], variant["precision"]) for variant in device.get("variants", [])]


def named(*words):
    """The name of a step."""
    return " ".join(word for word in words if word)


def proofs(done, backend):
    found = (done.get(f"proof {backend}", {}).get("result") or {}).get("score", [])
    return {(proof["kernel"], proof["precision"]): proof for proof in found}


def refuted(part):
    return "failed" in part and "missing" not in part


def unfit(done, backend, kernel, precision=None):
    """Why a kernel, or an implementation of score, must not be timed."""
    part = done.get(named("validate", backend, kernel, precision), {"failed": "it did not run"})
    for case in (part.get("result") or {}).get("cases", []):
        if case["fault"]:
            return f"validate: {case['fault']}"
    if "failed" in part:
        return f"validate: {last(part)}"
    proof = proofs(done, backend).get((kernel, precision), {})
    if proof.get("fault"):
        return f"proof: {proof['fault']}"
    return found_by(BLOCKING, done, backend, kernel, precision)


def found_by(checks, done, backend, kernel, precision):
    """What the first of some checks that found something says."""
    parts = ((check, done.get(named(check, backend, kernel, precision), {})) for check in checks)
    return next((f"{check}: {last(part)}" for check, part in parts if refuted(part)), None)


def doubt(done, row, backend="cuda"):
    """A mark for a timing of an implementation in which a sanitizer sees a race, truly or not."""
    why = row["variant"] and found_by(DOUBTS, done, backend, row["variant"], row["precision"])
    return f" ({why.split(':')[0]} FAILED)" if why else ""


def rows_of(done, backend):
    """What was timed of a backend."""
    parts = [part for name, part in done.items() if name.startswith(f"bench {backend} ")]
    return [row for part in parts for row in (part.get("result") or {}).get("kernels", [])]


def fastest(done, backend, work="dense"):
    """Timings of the implementations of score, the fastest first."""
    rows = [row for row in rows_of(done, backend) if row["variant"] and row["work"] == work]
    return sorted(rows, key=lambda row: -row["units_per_second"])


def best(done, backend, precision, work="full"):
    return next((row for row in fastest(done, backend, work) if row["precision"] == precision), None)


def metrics(text):
    """The quantities of ncu's text output that tell most, of the last launch in it."""
    found = {}
    for line in text.splitlines():
        for quantity in QUANTITIES:
            if line.strip().startswith(quantity + " ") and (rest := line.strip()[len(quantity):].split()):
                found[quantity] = " ".join([rest[-1], *rest[:-1]])
    return found


def table(rows):
    """A Markdown table."""
    head, *body = [[str(cell).replace("|", "/").replace("\n", " ") for cell in row] for row in rows]
    line = lambda cells: "| " + " | ".join(cells) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, body)]) + "\n"


def section(title, rows, note=""):
    return f"\n## {title}\n\n{note}{table(rows)}" if len(rows) > 1 else ""


def correctness(done, backends):
    rows = [["what", "validate", "worst of bound", "proof", "golden", "memcheck", "racecheck", "synccheck"]]
    for backend in backends:
        have = variants(done, backend)
        others = [tuple(name.split()[2:]) for name in done if name.startswith(f"validate {backend} ")]
        others = [what for what in others if what not in have]
        for what in [*have, *others, *([()] if f"memcheck {backend}" in done else [])]:
            row = [named(backend, *(what or ["other kernels"]))]
            for check in ("validate", "proof", "golden", "memcheck", "racecheck", "synccheck"):
                part = done.get(named(check, backend, *what)) if check != "proof" else proofs(done, backend).get(what)
                row += SAID[check](part) if part else ["-", "-"] if check == "validate" else ["-"]
            rows.append(row)
    note = "Relative errors of the golden trials. Other kernels are under the sanitizer together.\n\n"
    return section("Correctness", rows, note)


def said_of_cases(part):
    found = (part.get("result") or {}).get("cases", [])
    right = sum(case["fault"] is None for case in found)
    if not found:
        return [verdict(part), "-"]
    worst = max(case["of_bound"] or 0 for case in found)
    return [f"{'FAILED: ' if right < len(found) else ''}{right} of {len(found)}", f"{worst:.0%}"]


def said_of_proof(proof):
    return [f"FAILED: {proof['fault']}" if proof["fault"] else f"{proof['of_bound']:.0%} of bound"]


def said_of_golden(part):
    said = "largest {largest_relative_error:.1e}, mean {mean_relative_error:+.1e}"
    return [verdict(part) if "failed" in part else said.format(**part)]


def said_by_sanitizer(part):
    return [verdict(part) if "failed" in part else "clean"]


SAID = {"validate": said_of_cases, "proof": said_of_proof, "golden": said_of_golden}
SAID |= dict.fromkeys(("memcheck", "racecheck", "synccheck"), said_by_sanitizer)


def accuracy(done, backends):
    rows = [["score by", "mean e - f64", "deviation", "largest", "bias of counts at pass@1 = 0.1 %", "1 %", "10 %",
             "50 %"]]
    for backend in backends:
        parts = [part for name, part in done.items() if name.startswith(f"validate {backend} ")]
        for a in [a for part in parts for a in (part.get("result") or {}).get("accuracy", [])]:
            row = [named(backend, a["kernel"], a["precision"])]
            row += [f"{a[key]:.1e}" for key in ("mean", "deviation", "largest")]
            rows.append(row + [f"{c['relative']:+.1e} +- {c['standard_error']:.0e}" for c in a["counts"]])
    return section("Accuracy on the trained model", rows)


def gpu(done):
    """The name of the first GPU."""
    devices = ((done.get("facts", {}).get("retrial") or {}).get("cuda") or {}).get("devices", [])
    return devices[0]["name"] if devices else ""


def untimed(done, kernel, precision):
    """Why there is no timing of an implementation."""
    if (kernel, precision) not in variants(done, "cuda"):
        return "no such implementation here"
    part = done.get(named("bench", "cuda", kernel, precision))
    return verdict(part) if part and "failed" in part else "not timed"


def predictions(done):
    """Predicted against measured, of every implementation that is there or was predicted."""
    known = next((rows for name, rows in PREDICTED.items() if name in gpu(done)), [])
    known = {row[:2]: row[2:] for row in known}
    timed = {(row["variant"], row["precision"]): row for row in fastest(done, "cuda")}
    rows = [["score by", "predicted M/s", "measured M/s", "of the middle", "off by", "if it is less"]]
    for what in dict.fromkeys([*known, *variants(done, "cuda")]):
        least, most, hint = known.get(what, (None, None, "-"))
        row = timed.get(what)
        rate = row["units_per_second"] / 1e6 if row else None
        line = [named(*what) + (doubt(done, row) if row else "")]
        line.append(f"{least}-{most}" if least else "no prediction")
        line.append(f"{rate:.1f}" if row else untimed(done, *what))
        if not row or not least:
            rows.append(line + ["-", "-", "-"])
            continue
        miss = f"-{1 - rate / least:.0%}" if rate < least else f"+{rate / most - 1:.0%}" if rate > most else "within"
        rows.append(line + [f"{2 * rate / (least + most):.2f}", miss, hint if rate < least else "-"])
    return section(f"Predicted against measured, {gpu(done)}", rows, "M trials/s, dense.\n\n")


def peer_rows(done):
    parts = [part for name, part in done.items() if name.startswith("peers")]
    return [row for part in parts for row in (part.get("result") or {}).get("rows", [])]


def best_torch(done):
    """The fastest of PyTorch's own ways, of whatever arithmetic; a Triton kernel is not one."""
    rows = [row for row in peer_rows(done) if row["name"].startswith("torch") and "triton" not in row["name"]]
    return max(rows, key=lambda row: row["rate"], default=None)


def goals(done):
    """What is wanted of one H100, and what it gave."""
    if "H100" not in gpu(done):
        return ""
    rows = [["goal", "wanted", "measured", "by", "met"]]
    for precision, work, wanted in GOALS:
        row = best(done, "cuda", precision, work)
        what = f"{precision}, {work}{', <= 1 % succeed' if work == 'counts-only' else ''}, M trials/s"
        if not row:
            rows.append([what, wanted, "not timed", "-", "-"])
            continue
        rate, mark = row["units_per_second"] / 1e6, doubt(done, row)
        met = "yes" if rate >= wanted and not mark else "no"
        rows.append([what, wanted, f"{rate:.1f}", row["variant"] + mark, met])
    torch = best_torch(done)
    ours = [part for name, part in done.items() if name.startswith("sample cuda") and "failed" not in part]
    ours = max(ours, key=lambda part: max(part["full"]), default=None)
    what, wanted = "all errors, end to end, over the best PyTorch path", f"{TIMES_PYTORCH} x"
    if not ours or not torch:
        return section("Goals", rows + [[what, wanted, "not timed", "-", "-"]])
    ratio = max(ours["full"]) / torch["rate"]
    mark = doubt(done, {"variant": ours["kernel"], "precision": ours["precision"]})
    names = f"{named(ours['kernel'], ours['precision'])}{mark} over {named(torch['name'], torch['dtype'])}"
    met = "yes" if ratio >= TIMES_PYTORCH and not mark else "no"
    return section("Goals", rows + [[what, wanted, f"{ratio:.1f} x", names, met]])


def ceilings(done):
    found = done.get("ceilings", {}).get("result") or {}
    rows = [["ceiling, by PyTorch " + found.get("torch", ""), "measured"]]
    if "copy_bytes_per_second" in found:
        rows.append(["copy, read + written", f"{found['copy_bytes_per_second'] / 1e12:.2f} TB/s"])
    flops = {key: value for key, value in found.items() if key.endswith("_flops")}
    rows += [[f"{key[:-6]} product 8192^3", f"{value / 1e12:.1f} TFLOP/s"] for key, value in flops.items()]
    return section("Ceilings", rows)


def kernels(done, backends):
    ceiling = done.get("ceilings", {}).get("result") or {}
    half = {"f16": "float16_flops", "f16x3": "float16_flops", "bf16": "bfloat16_flops"}
    rows = [["kernel", "precision", "work", "samples x trials", "ms", "spread", "M trials/s", "TFLOP/s",
             "of PyTorch's product", "GB/s", "of copy"]]
    for backend in backends:
        def share(value, key):
            return f"{value / ceiling[key]:.0%}" if ceiling.get(key) and backend == "cuda" else "-"

        for row in rows_of(done, backend):
            rows.append([
                named(backend, row["variant"] or row["kernel"]) + doubt(done, row, backend), row["precision"],
                row["work"], f"{row['samples']} x {row['trials']}", f"{1e3 * row['median_seconds']:.3f}",
                f"{row['spread']:.0%}", f"{row['units_per_second'] / 1e6:.2f}", f"{row['flops'] / 1e12:.2f}",
                share(row["flops"], half.get(row["precision"], "float32_flops")),
                f"{row['bytes_per_second'] / 1e9:.1f}", share(row["bytes_per_second"], "copy_bytes_per_second"),
            ])
    note = "The device's clock; FLOPs are those of the dense product, what is skipped counts as done.\n\n"
    return section("Kernels", rows, note)


def end_to_end(done):
    found, torch = [], best_torch(done)
    for name, part in done.items():
        for work in ("full", "counts-only") if name.startswith("sample") else []:
            if part.get(work):
                found.append((f"retrial {name}, {part['kernel']}, {work}", max(part[work])))
    found += [(named(peer["name"], peer["dtype"]), peer["rate"]) for peer in peer_rows(done)]
    rows = [["what", "M trials/s", "TFLOP/s", "of the best PyTorch path"]]
    for what, rate in sorted(found, key=lambda row: -row[1]):
        ratio = f"{rate / torch['rate']:.2f} x" if torch else "-"
        rows.append([what, f"{rate / 1e6:.2f}", f"{rate * SHAPE_FLOPS / 1e12:.2f}", ratio])
    note = "Wall clock; the better of two runs, peers the median of three.\n\n"
    return section("End to end, noise to counts, T = 1", rows, note)


def profiles(done):
    rows = [["ncu, last of three launches", *QUANTITIES]]
    for name, part in done.items():
        if name.startswith("ncu") and "metrics" in part:
            what = f"{part['kernel']} {part['precision']}, {part['file']}"
            rows.append([what, *(part["metrics"].get(quantity, "-") for quantity in QUANTITIES)])
    return section("Counters", rows)


def clocks(done):
    rows = [["part", "median MHz", "least MHz", "most W", "most C", "readings"]]
    seen = {name: part["gpu"] for name, part in done.items() if "gpu" in part}
    rows += [[name, *(f"{value:.0f}" for value in gpu.values())] for name, gpu in seen.items()]
    return section("Clocks and power while busy", rows)


def trouble(done, backends):
    """Every step that did not do its work, peers that did not start, and what never began for want of a device."""
    rows = [["step", "what it said"]]
    rows += [[name, verdict(part)] for name, part in done.items() if "failed" in part]
    for name, part in done.items():
        skipped = (part.get("result") or {}).get("skipped", []) if name.startswith("peers") else []
        rows += [[name, said[:150]] for said in skipped]
    for backend in backends:
        part = done.get(f"device {backend}", {})
        if part and not variants(done, backend):
            rows.append([f"everything of {backend}", "not run: no device"])
    return section("Not done", rows)


def markdown(done, backends):
    facts = done.get("facts", {})
    head = f"# {gpu(done) or 'GPU suite, no CUDA device'}, {facts.get('date', '')[:10]}\n\n"
    head += f"{facts.get('date')}, commit {facts.get('commit')}, {facts.get('host')}, {facts.get('cpus')} CPUs"
    cuda = (facts.get("retrial") or {}).get("cuda") or {}
    head += f"; CUDA driver {cuda.get('driver')}, NVRTC {cuda.get('nvrtc')}, nvcc: {facts.get('nvcc')}\n"
    smi = f"\n```\n{facts.get('nvidia_smi', '').strip() or 'no nvidia-smi'}\n```\n"
    return head + smi + "".join([
        goals(done), predictions(done), correctness(done, backends), accuracy(done, backends), kernels(done, backends),
        end_to_end(done), ceilings(done), profiles(done), clocks(done), trouble(done, backends),
    ])
