"""What the GPU suite found, as Markdown, beside what was predicted before any kernel met a GPU."""

SHAPE_FLOPS = 2 * 400 * (20 + 784)  # of one trial of the paper's model, dense
QUANTITIES = ["SM Frequency", "Duration", "Compute (SM) Throughput", "Memory Throughput", "DRAM Throughput", "L2 Cache Throughput",
              "Executed Ipc Active", "No Eligible", "Local Speed-of-light", "Warp Cycles Per Issued Instruction"]
NOT_MEASURED = "not timed"

# Millions of trials a second of the paper's model: implementation (* is the fastest of any name), precision, work, least and
# most, and where to look when it misses. From the headers of the kernels; by an issue model, never held against hardware.
HOPPER = [
    ("simt", "f32", "dense", 70, 74, "issue slots around the FMA: loads from shared memory, W3 in L1"),
    ("simt", "f32", "full", 99, 105, "dead units left in the lists"),
    ("mma", "f16", "dense", 400, 450, "wavefronts of shared memory above 100 %: a larger warp tile"),
    ("wgmma-b0", "f16", "dense", 700, 850, "L2 above 5 TB/s: pairs of blocks first"),
    ("wgmma-b1", "f16", "dense", 850, 950, "gaps of some 600 cycles in the tensor pipe: groups in lockstep"),
    ("wgmma", "f16", "dense", 950, 1050, "waits for the other block's stages: a deeper ring, W3 out of shared memory"),
    ("mma", "f16x3", "dense", 130, 150, "three products a slab: the same places as f16"),
    ("*", "f16", "counts-only", 3000, 3000, "survivors too many, or lists too short to fill the card"),
]
AMPERE = [
    ("simt", "f32", "dense", 24, 30, "issue slots around the FMA"),
    ("mma", "f16", "dense", 250, 300, "wavefronts of shared memory above 100 %: a larger warp tile"),
]
ADA = [("mma", "f16", "dense", 200, 220, "half-rate f32 accumulation is the bound")]
PREDICTED = {"H100": HOPPER, "H200": HOPPER, "A100": AMPERE, "RTX 4090": ADA}


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


def cases(part, precision):
    """A validation's cases, of one precision or all."""
    found = (part.get("result") or {}).get("cases", [])
    return [case for case in found if precision is None or case["precision"] == precision]


def proofs(done, backend):
    found = (done.get(f"proof {backend}", {}).get("result") or {}).get("score", [])
    return {(proof["kernel"], proof["precision"]): proof for proof in found}


def unfit(done, backend, kernel, precision):
    """Why a kernel, or an implementation of score in a precision, must not be timed."""
    part = done.get(f"validate {backend} {kernel}", {"failed": "it was not validated"})
    found = cases(part, precision)
    if "failed" in part and not found:
        return f"validate: {last(part)}"
    for case in found:
        if case["fault"]:
            return f"validate: {case['fault']}"
    proof = proofs(done, backend).get((kernel, precision), {})
    if proof.get("fault"):
        return f"proof: {proof['fault']}"
    for check in ("golden", "memcheck", "racecheck", "synccheck"):
        part = done.get(f"{check} {backend} {kernel} {precision}", {})
        if "failed" in part and "missing" not in part:
            return f"{check}: {last(part)}"
    return None


def rows_of(done, backend):
    """What was timed of a backend."""
    parts = [part for name, part in done.items() if name.startswith(f"bench {backend} ")]
    return [row for part in parts for row in (part.get("result") or {}).get("kernels", [])]


def fastest(done, backend, work="dense"):
    """The implementations of score that were timed, the fastest first."""
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
        others = [name.split()[2] for name in done if name.startswith(f"validate {backend} ")]
        others = [(kernel, None) for kernel in others if kernel not in dict(have)]
        sanitized = [("other kernels", "")] if f"memcheck {backend}" in done else []
        for kernel, precision in [*have, *others, *sanitized]:
            part = done.get(f"validate {backend} {kernel}", {})
            found = cases(part, precision)
            right = sum(case["fault"] is None for case in found)
            said = "-" if not part else f"{right} of {len(found)}" if found else verdict(part)
            if right < len(found):
                said = f"FAILED: {right} of {len(found)}"
            row = [f"{backend} {kernel} {precision or ''}", said]
            row.append(f"{max([case['of_bound'] or 0 for case in found], default=0):.0%}" if found else "-")
            proof = proofs(done, backend).get((kernel, precision))
            row.append("-" if proof is None else f"FAILED: {proof['fault']}" if proof["fault"] else f"{proof['of_bound']:.0%} of bound")
            gold = done.get(f"golden {backend} {kernel} {precision}", {})
            off = "largest {largest_relative_error:.1e}, mean {mean_relative_error:+.1e}"
            row.append(verdict(gold) if "failed" in gold else off.format(**gold) if gold else "-")
            for tool in ("memcheck", "racecheck", "synccheck"):
                name = f"{tool} {backend}" if precision == "" else f"{tool} {backend} {kernel} {precision}"
                part = done.get(name, {})
                clean = "SUMMARY: 0 " in (part.get("summary") or "")
                row.append("-" if not part else verdict(part) if "failed" in part else "clean" if clean else part["summary"])
            rows.append(row)
    return section("Correctness", rows, "Relative errors of the golden trials. Other kernels are under the sanitizer together.\n\n")


def accuracy(done, backends):
    rows = [["score by", "mean e - f64", "deviation", "largest", "bias of counts at pass@1 = 0.1 %", "1 %", "10 %", "50 %"]]
    for backend in backends:
        parts = [part for name, part in done.items() if name.startswith(f"validate {backend} ")]
        for a in [a for part in parts for a in (part.get("result") or {}).get("accuracy", [])]:
            row = [f"{backend} {a['kernel']} {a['precision']}", *(f"{a[key]:.1e}" for key in ("mean", "deviation", "largest"))]
            rows.append(row + [f"{c['relative']:+.1e} +- {c['standard_error']:.0e}" for c in a["counts"]])
    return section("Accuracy on the trained model", rows)


def gpu(done):
    """The name of the first GPU."""
    devices = ((done.get("facts", {}).get("retrial") or {}).get("cuda") or {}).get("devices", [])
    return devices[0]["name"] if devices else ""


def predictions(done):
    """Predicted against measured."""
    known = next((rows for name, rows in PREDICTED.items() if name in gpu(done)), [])
    rows = [["score by", "work", "predicted M/s", "measured M/s", "of the middle", "misses by", "if it misses"]]
    for kernel, precision, work, least, most, hint in known:
        ranked = [row for row in fastest(done, "cuda", work) if row["precision"] == precision and kernel in ("*", row["variant"])]
        span = f"{least}" if least == most else f"{least}-{most}"
        name = f"{'fastest' if kernel == '*' else kernel} {precision}"
        if not ranked:
            have = [found for found in variants(done, "cuda") if found[1] == precision and kernel in ("*", found[0])]
            why = unfit(done, "cuda", *have[0]) or NOT_MEASURED if have else "no such implementation here"
            rows.append([name, work, span, why, "-", "-", "-"])
            continue
        rate = ranked[0]["units_per_second"] / 1e6
        low, high = rate < least, rate > most
        miss = f"-{1 - rate / least:.0%}" if low else f"+{rate / most - 1:.0%}" if high else "within"
        name = f"{ranked[0]['variant']} {precision}"
        rows.append([name, work, span, f"{rate:.1f}", f"{2 * rate / (least + most):.2f}", miss, hint if low else "-"])
    return section(f"Predicted against measured, {gpu(done)}", rows)


def peer_rows(done):
    parts = [part for name, part in done.items() if name.startswith("peers")]
    return [row for part in parts for row in (part.get("result") or {}).get("rows", [])]


def goals(done):
    """What the tensor-core kernels are for, on one H100."""
    if "H100" not in gpu(done) and "H200" not in gpu(done):
        return ""
    rows = [["goal", "wanted", "measured", "met"]]
    said = lambda rate, wanted: [f"{rate:.1f}" if rate else NOT_MEASURED, "-" if not rate else "yes" if rate >= wanted else "no"]
    for name, precision, work, wanted in [("f16, dense", "f16", "dense", 1000), ("f16x3, dense", "f16x3", "dense", 330),
                                          ("f16, counts only, successes <= 1 %", "f16", "counts-only", 3000)]:
        row = best(done, "cuda", precision, work)
        rows.append([f"{name}, M trials/s", wanted, *said(row and row["units_per_second"] / 1e6, wanted)])
    torch = [row["rate"] for row in peer_rows(done) if row["name"].startswith("torch") and "triton" not in row["name"]]
    ours = [max(part["full"]) for name, part in done.items() if name.startswith("sample cuda") and "full" in part]
    ratio = max(ours) / max(torch) if ours and torch else None
    rows.append(["end to end over the best PyTorch path", "10 x", *said(ratio, 10)])
    return section("Goals", rows)


def ceilings(done):
    found = done.get("ceilings", {})
    rows = [["ceiling, by PyTorch " + found.get("torch", ""), "measured"]]
    if "copy_bytes_per_second" in found:
        rows.append(["copy, read + written", f"{found['copy_bytes_per_second'] / 1e12:.2f} TB/s"])
    rows += [[f"{key[:-6]} product 8192^3", f"{value / 1e12:.1f} TFLOP/s"] for key, value in found.items() if key.endswith("_flops")]
    return section("Ceilings", rows)


def kernels(done, backends):
    ceiling = done.get("ceilings", {})
    half = {"f16": "float16_flops", "f16x3": "float16_flops", "bf16": "bfloat16_flops"}
    rows = [["kernel", "precision", "work", "samples x trials", "ms", "spread", "M trials/s", "TFLOP/s", "of PyTorch's product",
             "GB/s", "of copy"]]
    for backend in backends:
        for row in rows_of(done, backend):
            share = lambda value, key: f"{value / ceiling[key]:.0%}" if ceiling.get(key) and backend == "cuda" else "-"
            rows.append([
                f"{backend} {row['variant'] or row['kernel']}", row["precision"], row["work"], f"{row['samples']} x {row['trials']}",
                f"{1e3 * row['median_seconds']:.3f}", f"{row['spread']:.0%}", f"{row['units_per_second'] / 1e6:.2f}",
                f"{row['flops'] / 1e12:.2f}", share(row["flops"], half.get(row["precision"], "float32_flops")),
                f"{row['bytes_per_second'] / 1e9:.1f}", share(row["bytes_per_second"], "copy_bytes_per_second"),
            ])
    return section("Kernels", rows, "The device's clock; FLOPs are those of the dense product, what is skipped counts as done.\n\n")


def end_to_end(done):
    rows = [["what", "M trials/s", "TFLOP/s"]]
    for name, part in done.items():
        for work in ("full", "counts-only") if name.startswith("sample") else []:
            if part.get(work):
                rate = max(part[work])
                text = f"retrial {name}, {part['kernel']}, {work}"
                rows.append([text, f"{rate / 1e6:.2f}", f"{rate * SHAPE_FLOPS / 1e12:.2f}"])
    for peer in sorted(peer_rows(done), key=lambda row: -row["rate"]):
        rows.append([f"{peer['name']} {peer['dtype']}", f"{peer['rate'] / 1e6:.2f}", f"{peer['rate'] * SHAPE_FLOPS / 1e12:.2f}"])
    return section("End to end, noise to counts, T = 1", rows, "Wall clock; the better of two runs, peers the median of three.\n\n")


def profiles(done):
    rows = [["ncu, last of three launches", *QUANTITIES]]
    for name, part in done.items():
        if name.startswith("ncu") and "metrics" in part:
            what = f"{part['kernel']} {part['precision']}, {part['file']}"
            rows.append([what, *(part["metrics"].get(quantity, "-") for quantity in QUANTITIES)])
    return section("Counters", rows)


def clocks(done):
    rows = [["part", "median MHz", "least MHz", "most W", "most C", "readings"]]
    rows += [[name, *(f"{value:.0f}" for value in part["gpu"].values())] for name, part in done.items() if "gpu" in part]
    return section("Clocks and power while busy", rows)


def trouble(done, backends):
    """Every part that did not do its work, and what never started for want of a device."""
    rows = [["part", "what it said"]]
    rows += [[name, verdict(part)] for name, part in done.items() if "failed" in part]
    for backend in backends:
        part = done.get(f"device {backend}", {})
        if part and not variants(done, backend):
            rest = ["validate", "proof", "golden", "bench", "sample"]
            rest += ["memcheck", "racecheck", "synccheck", "ceilings", "peers", "ncu"] if backend == "cuda" else []
            rows += [[f"{kind} {backend}", f"not run: no device: {last(part) if 'failed' in part else 'it has no score'}"] for kind in rest]
    return section("Not done", rows)


def markdown(done, backends):
    facts = done.get("facts", {})
    head = f"# GPU suite\n\n{facts.get('date')}, commit {facts.get('commit')}, {facts.get('host')}, {facts.get('cpus')} CPUs\n"
    smi = f"\n```\n{facts.get('nvidia_smi', '').strip() or 'no nvidia-smi'}\n```\n"
    return head + smi + "".join([
        goals(done), predictions(done), correctness(done, backends), accuracy(done, backends), kernels(done, backends),
        end_to_end(done), ceilings(done), profiles(done), clocks(done), trouble(done, backends),
    ])
