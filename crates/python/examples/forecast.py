"""From counts to a forecast: how far would a million attempts carry a model that was given a hundred?

Run it as a script, or cell by cell (# %%) in an editor: python forecast.py [counts.csv], which leaves forecast.png.
"""

# %% Counts: of a file of yours, else drawn from the model of the paper.
import sys

import matplotlib.pyplot as plt
import numpy as np
import retrial

if len(sys.argv) > 1:
    counts = retrial.Counts.read(sys.argv[1])
else:
    law = retrial.Law("beta-binomial", alpha=4.65, beta=0.36)
    counts = retrial.simulate(law, problems=200, attempts=100)
print(counts)

# %% What was measured: pass@k with 95 % intervals for other problems of the same kind.
measured = counts.pass_at_k(np.unique(np.geomspace(1, counts.reach, 30).astype(int)), scope="population")
print(measured.to_frame().tail(3))

# %% Which law describes the counts, and whether it fits.
fit = retrial.fit(counts)
for name, of in fit.laws.items():
    print(f"{name}: {of.verdict}")

# %% Beyond the attempts that were made: a law, if it holds, and bounds, whatever the law.
ks = np.geomspace(counts.reach, 1e6, 40)
forecast = retrial.forecast(counts, ks, laws=["beta-binomial"])
by_law, bounds = forecast["beta-binomial"], forecast["worst-case bounds"]

# %% The plot.
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.fill_between(bounds.k, bounds.low, bounds.high, color="0.9", label="any law that fits the counts")
axes.fill_between(by_law.k, by_law.low, by_law.high, color="C0", alpha=0.25, label="95 %, if the law holds")
axes.plot(by_law.k, by_law.value, "C0", label="beta-binomial")
errors = [measured.value - measured.low, measured.high - measured.value]
axes.errorbar(measured.k, measured.value, errors, fmt="k.", markersize=4, linewidth=0.8, label="measured")
axes.axvline(counts.reach, color="0.5", linestyle=":")
axes.set(xscale="log", ylim=(0, 1.02), xlabel="attempts k", ylabel="coverage pass@k", title=f"{len(counts)} problems")
axes.legend(loc="lower right")
figure.savefig("forecast.png", dpi=150)
