# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quick start: does LoRA get stuck on *my* network?
#
# A network of your own, its neural tangent kernel, the certified optimum of fine-tuning it, LoRA at three ranks, one
# figure, and whether the network is in the regime that all this is about. Half a minute on two cores.
#
# In the NTK regime fine-tuning moves the outputs linearly in the change of the weights, $f(x_i) + \langle G_i,
# \delta\rangle$, so full fine-tuning with weight decay is a convex problem,
# $F(\delta) = \frac1N \sum_i \ell_i + \lambda\|\delta\|_*$. LoRA replaces $\delta$ by $u v^\top$ of rank $r$ and is not
# convex. Jang, Lee and Ryu ([2402.11867](https://arxiv.org/abs/2402.11867)) show that this does no harm once
# $r(r+1)/2 > KN$. Here you see it happen.

# %%
from ntklora.environment import prepare_environment

prepare_environment()  # one BLAS thread, XLA's operations in order: to be set before NumPy and JAX are imported

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import ntklora as nl

jax.config.update("jax_enable_x64", True)  # certificates need float64; importing ntklora never switches it on

# %% [markdown]
# ## 1. Your network and your data
#
# Any function `f(params, x)` of one example that returns `(K,)`, and any pytree of parameters: a flax module's `apply`
# and an equinox module work as they are. Weights are `(fan_out, fan_in)`. Change this cell first.


# %%
def f(params, x):
    hidden = jnp.tanh(params["input"] @ x)
    hidden = jnp.tanh(params["hidden"] @ hidden)
    return params["readout"] @ hidden


rng = np.random.default_rng(0)
shapes = {"input": (48, 64), "hidden": (48, 48), "readout": (3, 48)}
params = {name: rng.normal(size=shape) / shape[1] ** 0.5 for name, shape in shapes.items()}

digits = load_digits()
x = (digits.data[digits.target < 3][:12] - 8.0) / 8.0
y = np.random.default_rng(1).integers(0, 3, size=12)  # labels drawn at random: a task hard enough to have bad minima

# %% [markdown]
# ## 2. The kernel
#
# `empirical_ntk` gives $\Theta_{ij} = \langle \nabla f(x_i), \nabla f(x_j)\rangle$ of shape (N, N, K, K), over all
# parameters or over the ones you name.

# %%
theta = nl.empirical_ntk(f, params, x, targets="hidden")
eigenvalues = np.linalg.eigvalsh(theta[:, :, 0, 0])  # of the first output
print(f"kernel {theta.shape}, eigenvalues from {eigenvalues[0]:.2g} to {eigenvalues[-1]:.2g}")

# %% [markdown]
# ## 3. The certified optimum of full fine-tuning
#
# `solve` returns a minimizer and a dual point; their relative gap bounds how far from optimal the minimizer can be,
# whatever the solver did.

# %%
problem = nl.make_problem(f, params, x, y, targets="hidden", loss="cross_entropy", lam=0.03)
solution = nl.solve(problem)
print(f"λ is {float(problem.lam) / float(nl.lam_max(problem)):.2g} of λ_max, where nothing would be learned")
print(f"optimum {solution.primal:.6f}, {solution.status}: relative gap {solution.gap:.1e}, rank {solution.rank}")

# %% [markdown]
# The certificate in plain NumPy, without any code of this package: with $\|\Gamma\|_{op} \le \lambda$ the dual value is
# a lower bound of the objective at *every* change of the weights.

# %%
G, f0 = np.asarray(problem.op.dense()), np.asarray(problem.f0)  # (N, K, m, n), (N, K)
alpha = solution.alpha  # (N, K)
gamma = np.einsum("ij,ijmn->mn", alpha, G) / len(y)
p = alpha + np.eye(3)[y]  # on the simplex
dual = -np.mean(np.sum(p * np.log(p) - alpha * f0, axis=1))
print(f"‖Γ‖ = {np.linalg.norm(gamma, 2):.9f} ≤ λ = {float(problem.lam)}: no δ gets below {dual:.9f}")

# %% [markdown]
# ## 4. Which rank is enough?
#
# The optimum has rank at most `pataki_rank(KN)` after reduction, and from one more on LoRA has no spurious minima (for
# almost every small perturbation). Below, only luck or a benign instance helps.

# %%
kn = 3 * len(y)
guaranteed = nl.pataki_rank(kn) + 1
ranks = (1, 2, guaranteed)
print(f"KN = {kn}: a minimizer of rank ≤ {nl.pataki_rank(kn)} exists, LoRA is safe from rank {guaranteed} on")

# %% [markdown]
# ## 5. LoRA at three ranks
#
# Gradient descent from LoRA's own initialization, as in practice; and, to see what else is there, 32 random starts run
# to their ends by a Newton method, each end judged by its Hessian and by the certified optimum. *Spurious*: a strict
# local minimum although a better point of the same rank is known. *Rank-limited*: the best known point of its rank,
# which is too small for the optimum.

# %%
paths, counts = {}, {}
for rank in ranks:
    key = jax.random.key(rank)
    paths[rank] = nl.train_lora(problem, rank, key, steps=2000)
    landscape = nl.survey_landscape(problem, rank, key, starts=32, solution=solution)
    counts[rank] = ", ".join(f"{count} {kind}" for kind, count in landscape.counts.items() if count)
    print(f"rank {rank}: {counts[rank]}")

# %% [markdown]
# ## 6. One figure

# %%
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for rank, style in zip(ranks, ("-", "--", ":"), strict=True):
    excess = np.asarray(paths[rank].objective) / solution.primal - 1
    axes.plot(1 + np.arange(len(excess)), excess, style, label=f"r = {rank}; 32 other starts: {counts[rank]}")
axes.axhline(0, color="black", linewidth=0.8, label="certified optimum")
axes.set(xscale="log", xlabel="gradient steps", ylabel="relative excess $(F - F^*)/F^*$")
axes.set_yscale("symlog", linthresh=1e-4)
axes.set_ylim(bottom=-3e-5)
axes.legend(fontsize=7, loc="lower left")
plt.show()

# %% [markdown]
# ## 7. Is my network in this regime at all?
#
# Everything above is about the linearized network. `ntk_regime` trains the true one beside it, with the same start,
# steps and decay, by LoRA and by full fine-tuning, and says how far apart they come. Narrow networks leave the regime;
# it is the limit of wide ones.

# %%
regime = nl.ntk_regime(
    f, params, x, y, targets="hidden", loss="cross_entropy", lam=0.03, rank=guaranteed, key=jax.random.key(0), steps=300
)
print(regime.summary)
left = regime.lora.end_of_regime(0.1)
print("LoRA: never 10% apart" if left is None else f"LoRA: 10% apart at time {left:.3g} = learning rate × steps")

# %% [markdown]
# ## What next
#
# * Your own network: change the cell of section 1; `targets="matrices"` trains every matrix at once.
# * The true labels, `digits.target`, or another `lam`: does rank 2 still get stuck?
# * Another loss: `"squared"` for regression, `"logistic"` for two classes and one logit.
# * A problem from another framework: save `G`, `f0`, `y`, `loss`, `lam` as NPZ and run
#   `ntklora certify FILE.npz --rank 4`.
# * How bad can a spurious minimum be? `nl.plant_worst_minimum(2, curvature=0.5, seed=0)` attains the bound of T2-worst,
#   `nl.prove_spurious_minimum` proves it in interval arithmetic, and `ntklora figures phase_diagram` shows how far
#   typical instances are from that.
# * The theorems themselves: `ntklora verify --list`, then `ntklora verify`; every figure, and the report:
#   `make reproduce`.
