"""JAX: one jitted loop over chunks."""

import os, sys

cuda = "cuda" in sys.argv
os.environ["JAX_PLATFORMS"] = "cuda" if cuda else "cpu"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
import jax, jax.numpy as jnp
import numpy as np
from functools import partial
from peer import NEVER, serve


def build(problem, args):
    # Threefry, the default, takes longer than the rest on a GPU.
    jax.config.update("jax_default_prng_impl", "rbg" if cuda else "threefry2x32")
    dtype = {"fp16": jnp.float16, "bf16": jnp.bfloat16}.get(args.dtype, jnp.float32)
    precision = {"fp32": "highest", "tf32": "tensorfloat32"}.get(args.dtype, "default")
    put = lambda name, kind=jnp.float32: jnp.asarray(getattr(problem, name), kind)
    model = dict(w3=put("w3", dtype).T, w4=put("w4", dtype).T) | {
        name: put(name) for name in ("b3", "b4", "images", "mu", "scale", "thresholds")}
    n, shape = problem.n, (problem.n, len(problem.thresholds))

    def errors(m, noise):
        dense = lambda x, w, b: jnp.dot(x.astype(dtype), w, precision=precision, preferred_element_type=jnp.float32) + b
        z = (m["mu"][:, None] + m["scale"][:, None] * noise).reshape(-1, problem.latent)
        logits = dense(jax.nn.relu(dense(z, m["w3"], m["b3"])), m["w4"], m["b4"]).reshape(n, -1, problem.pixels)
        return jnp.sqrt(jnp.square(jax.nn.sigmoid(logits) - m["images"][:, None]).sum(-1))

    @partial(jax.jit, static_argnums=(2, 3))
    def loop(m, key, steps, chunk):
        def step(i, state):
            counts, firsts = state
            noise = jax.random.normal(jax.random.fold_in(key, i), (n, chunk, problem.latent))
            hits = errors(m, noise)[..., None] < m["thresholds"]
            index = (i * chunk + 1 + jnp.arange(chunk, dtype=jnp.int32))[:, None]
            first = jnp.where(hits, index, NEVER).min(1)
            return counts + hits.sum(1, dtype=jnp.int32), jnp.minimum(firsts, first)

        return jax.lax.fori_loop(0, steps, step, (jnp.zeros(shape, jnp.int32), jnp.full(shape, NEVER, jnp.int32)))

    def count(seed, steps, chunk):
        return [np.asarray(part) for part in loop(model, jax.random.key(seed), steps, chunk)]

    about = {"version": jax.__version__, "device": jax.devices()[0].device_kind}
    return lambda noise: np.asarray(jax.jit(errors)(model, jnp.asarray(noise))), count, about


serve(build)
