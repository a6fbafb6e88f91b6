"""Prints, as JSON, what this GPU's memory and arithmetic give a large copy and a large product of PyTorch's."""

import json, sys

try:
    import torch
except ImportError:
    sys.exit("no PyTorch")
if not torch.cuda.is_available():
    sys.exit("PyTorch sees no GPU")


def median(work, repeats=10):
    times = []
    for i in range(repeats + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        if i >= 3:
            times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


a = torch.randn(1 << 28, device="cuda")
b = torch.empty_like(a)
found = {"torch": torch.__version__, "copy_bytes_per_second": 2 * a.nbytes / median(lambda: b.copy_(a))}
del a, b
n = 8192
for name in ("float32", "tf32", "float16", "bfloat16"):
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    x, y = (torch.randn(n, n, device="cuda", dtype=getattr(torch, name, torch.float32)) for _ in range(2))
    found[f"{name}_flops"] = 2 * n**3 / median(lambda: x @ y)
print(json.dumps(found))
