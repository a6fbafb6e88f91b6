"""PyTorch: --mode eager, compile, cudagraph (the eager step, captured) or triton (all of it in one kernel)."""

import torch
import torch.nn.functional as F
from peer import NEVER, serve


def build(problem, args):
    cuda = args.device == "cuda"
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.dtype == "tf32" and not cuda:
        raise SystemExit("tf32 needs cuda")
    torch.set_float32_matmul_precision("high" if args.dtype == "tf32" else "highest")
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(args.dtype, torch.float32)
    put = lambda array, kind=torch.float32: torch.from_numpy(array).to(args.device, kind)
    w3, b3, w4, b4 = (put(getattr(problem, name), dtype) for name in ("w3", "b3", "w4", "b4"))
    images, mu, scale, thresholds = (put(getattr(problem, name)) for name in ("images", "mu", "scale", "thresholds"))
    n = problem.n

    def errors(noise):  # [n, trials, latent]
        z = torch.addcmul(mu[:, None], scale[:, None], noise).flatten(0, 1).to(dtype)
        logits = F.linear(F.relu(F.linear(z, w3, b3)), w4, b4).view(n, -1, problem.pixels)
        return (torch.sigmoid(logits.float()) - images[:, None]).square().sum(2).sqrt()

    def errors_in_place(noise):  # the same, for where nothing fuses
        z = torch.addcmul(mu[:, None], scale[:, None], noise).flatten(0, 1).to(dtype)
        logits = F.linear(F.linear(z, w3, b3).relu_(), w4, b4).view(n, -1, problem.pixels)
        return torch.linalg.vector_norm(logits.float().sigmoid_().sub_(images[:, None]), dim=2)

    of = errors if args.mode == "compile" else errors_in_place
    about = {"version": torch.__version__, "device": torch.cuda.get_device_name() if cuda else "cpu"}
    host = lambda counts, firsts: (counts.cpu().numpy(), firsts.cpu().numpy())
    if args.mode == "triton":
        from triton_score import scorer

        score = scorer(problem, args, dict(mu=mu, scale=scale, images=images, thresholds=thresholds), (w3, b3, w4, b4))
        return lambda noise: score.errors(put(noise)).cpu().numpy(), lambda *a: host(*score.count(*a)), about

    never = torch.tensor(NEVER, device=args.device, dtype=torch.int32)
    fresh = lambda: (
        torch.zeros(n, len(thresholds), device=args.device, dtype=torch.int32),
        torch.full((n, len(thresholds)), NEVER, device=args.device, dtype=torch.int32),
        torch.zeros(1, device=args.device, dtype=torch.int32),
    )

    def stepper(chunk):
        index = torch.arange(1, chunk + 1, device=args.device, dtype=torch.int32)

        def step(counts, firsts, done):
            hits = of(torch.randn(n, chunk, problem.latent, device=args.device))[..., None] < thresholds
            counts += hits.sum(1, dtype=torch.int32)
            firsts.copy_(torch.minimum(firsts, torch.where(hits, (done + index)[:, None], never).amin(1)))
            done += chunk

        if args.mode != "compile":
            return step
        return torch.compile(step, dynamic=False, mode="max-autotune-no-cudagraphs" if cuda else "default")

    steps_of, graphs = {}, {}

    def captured(chunk):
        state, step = fresh(), stepper(chunk)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step(*state)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step(*state)
        return graph, state, step  # the graph reads what the step made

    def count(seed, steps, chunk):
        torch.manual_seed(seed)
        if args.mode == "cudagraph":
            graph, state, _ = graphs.get(chunk) or graphs.setdefault(chunk, captured(chunk))
            for value, into in zip(fresh(), state):
                into.copy_(value)
            for _ in range(steps):
                graph.replay()
        else:
            state, step = fresh(), steps_of.get(chunk) or steps_of.setdefault(chunk, stepper(chunk))
            for _ in range(steps):
                step(*state)
        return host(*state[:2])

    guarded = torch.no_grad if args.mode == "compile" else torch.inference_mode
    return guarded()(lambda noise: of(put(noise)).cpu().numpy()), guarded()(count), about


serve(build)
