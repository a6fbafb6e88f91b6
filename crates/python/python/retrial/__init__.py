"""How far repeated attempts carry a generative model: pass@k, inference scaling laws, and a VAE to sample.

Counts of attempts and successes, of your own or from the files of evaluation harnesses, are estimated, fitted and
forecast; a model is trained or read, and sampled on a GPU or CPU. Numbers are those of the command line ``retrial``.

>>> import retrial
>>> retrial.pass_at_k(n=100, c=[0, 3, 41, 97], k=[1, 100]).value
array([0.3525, 0.75  ])

Bad input raises ValueError, a file that cannot be read OSError, a device that fails retrial.Error; Ctrl-C stops.
"""

from ._retrial import (
    Comparison,
    Cost,
    Counts,
    Curve,
    Device,
    Difficulty,
    Error,
    Fit,
    Forecast,
    Law,
    LawFit,
    Model,
    Pair,
    Samples,
    __version__,
    bounds,
    compare,
    cost,
    devices,
    difficulty,
    fit,
    forecast,
    g_pass_at_k,
    pass_at_k,
    pass_hat_k,
    per_problem,
    simulate,
)

__all__ = [
    "Comparison",
    "Cost",
    "Counts",
    "Curve",
    "Device",
    "Difficulty",
    "Error",
    "Fit",
    "Forecast",
    "Law",
    "LawFit",
    "Model",
    "Pair",
    "Samples",
    "__version__",
    "bounds",
    "compare",
    "cost",
    "devices",
    "difficulty",
    "fit",
    "forecast",
    "g_pass_at_k",
    "pass_at_k",
    "pass_hat_k",
    "per_problem",
    "simulate",
]
