"""NumPy (BLAS) and ONNX Runtime, --mode numpy or onnx: errors by either, noise and counts by NumPy."""

import os, sys

if "--threads" in sys.argv:
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[sys.argv.index("--threads") + 1]
import numpy as np
from peer import NEVER, serve


def with_numpy(problem):
    w3, w4 = (np.ascontiguousarray(w.T) for w in (problem.w3, problem.w4))
    buffers = {}

    def errors(noise):  # [trials, n, latent] -> [trials, n]
        rows = noise.shape[0] * noise.shape[1]
        new = lambda: tuple(np.empty((rows, width), np.float32) for width in (w3.shape[1], problem.pixels))
        h, y = buffers.get(rows) or buffers.setdefault(rows, new())
        np.matmul((problem.mu + problem.scale * noise).reshape(rows, -1), w3, out=h)
        np.maximum(np.add(h, problem.b3, out=h), 0, out=h)
        np.matmul(h, w4, out=y)
        np.exp(np.negative(np.add(y, problem.b4, out=y), out=y), out=y)
        np.reciprocal(np.add(y, 1, out=y), out=y)
        y.reshape(noise.shape[0], problem.n, -1)[:] -= problem.images
        return np.sqrt(np.einsum("ij,ij->i", y, y)).reshape(noise.shape[:2])

    return errors, np.__version__


def with_onnx(problem, args):
    import onnx, onnxruntime
    from onnx import helper, numpy_helper

    constants = {name: getattr(problem, name) for name in ("mu", "scale", "images", "w3", "b3", "w4", "b4")}
    constants |= {"flat": np.array([-1, problem.latent]), "cube": np.array([-1, problem.n, problem.pixels]), "axis": np.array([2])}
    node = helper.make_node
    nodes = [
        node("Mul", ["scale", "noise"], ["spread"]), node("Add", ["mu", "spread"], ["latents"]),
        node("Reshape", ["latents", "flat"], ["z"]), node("Gemm", ["z", "w3", "b3"], ["a"], transB=1), node("Relu", ["a"], ["h"]),
        node("Gemm", ["h", "w4", "b4"], ["logits"], transB=1), node("Sigmoid", ["logits"], ["rows"]),
        node("Reshape", ["rows", "cube"], ["y"]), node("Sub", ["y", "images"], ["off"]),
        node("ReduceL2", ["off", "axis"], ["errors"], keepdims=0),
    ]
    value = lambda name, *shape: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        nodes, "score", [value("noise", "trials", problem.n, problem.latent)], [value("errors", "trials", problem.n)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    provider = "CUDAExecutionProvider" if args.device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise SystemExit(f"this onnxruntime has no {provider}; pip install onnxruntime-gpu")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[provider])
    return lambda noise: session.run(["errors"], {"noise": noise})[0], onnxruntime.__version__


def build(problem, args):
    errors, version = with_onnx(problem, args) if args.mode == "onnx" else with_numpy(problem)
    shape = (problem.n, len(problem.thresholds))

    def count(seed, steps, chunk):
        stream = np.random.Generator(np.random.SFC64(seed))
        counts, firsts = np.zeros(shape, np.int32), np.full(shape, NEVER, np.int32)
        for step in range(steps):
            found = errors(stream.standard_normal((chunk, problem.n, problem.latent), np.float32))
            index = np.arange(step * chunk + 1, (step + 1) * chunk + 1, dtype=np.int32)[:, None]
            for t, threshold in enumerate(problem.thresholds):
                hits = found < threshold
                counts[:, t] += hits.sum(0, dtype=np.int32)
                np.minimum(firsts[:, t], np.where(hits, index, NEVER).min(0), out=firsts[:, t])
        return counts, firsts

    swapped = lambda noise: errors(np.ascontiguousarray(noise.transpose(1, 0, 2))).T
    return swapped, count, {"version": version, "device": args.device}


serve(build)
