"""The judge: the Hessian of F_P as a plain matrix, checked by automatic differentiation, and its gauge directions.

Independent of `ntklora.certificates.hessian`: no eigenbasis of S, no Woodbury, no inertia of anything but H itself.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from ntklora.problem.objective import objective
from ntklora.tangent.operator import TangentOperator


def flatten(us, vs):
    return np.concatenate([np.concatenate([us[name], vs[name]]).ravel() for name in us])


def dense_hessian(problem, u, v):
    """Second derivatives of `L(z(Q))` by the chain rule, entry by entry of `Q = [u; v]`, plus those of the decay."""
    host = problem.host()
    us, vs = host.op.as_dict(u), host.op.as_dict(v)
    z = host.f0 + host.op.apply_factors(us, vs)
    slope, weight = host.loss.gradient(z, host.y), host.loss.hessian_factor(z, host.y)
    weight = weight @ weight.swapaxes(1, 2)
    first, second = [], []
    for name, g in TangentOperator(host.op.blocks).dense().items():
        (m, r), n = us[name].shape, len(vs[name])
        first.append(np.concatenate([g @ vs[name], g.swapaxes(2, 3) @ us[name]], 2).reshape(*z.shape, -1))
        bilinear = np.zeros((m + n, m + n))
        bilinear[:m, m:] = np.einsum("ij,ijmn->mn", slope, g) / host.num_samples
        bilinear += bilinear.T + float(host.lam) * np.eye(m + n)
        if host.perturbation is not None:
            bilinear += 2 * host.perturbation[name]
        second.append(np.kron(bilinear, np.eye(r)))
    jacobian = np.concatenate(first, 2)
    return (
        scipy.linalg.block_diag(*second)
        + np.einsum("ijx,ijk,iky->xy", jacobian, weight, jacobian, optimize=True) / host.num_samples
    )


def differentiated_hessian(problem, u, v):
    """The same by automatic differentiation: the judge of `dense_hessian`."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)

    def value(x):
        left, right, start = {}, {}, 0
        for name in us:
            (m, r), n = us[name].shape, len(vs[name])
            q = x[start : start + (m + n) * r].reshape(m + n, r)
            left[name], right[name], start = q[:m], q[m:], start + (m + n) * r
        return objective(problem, left, right)

    return np.asarray(jax.jit(jax.hessian(value))(jnp.asarray(flatten(us, vs))))


def gauge_directions(problem, u, v):
    """Orthonormal basis of `{QΩ}` per layer, or of `{(uM, −vMᵀ)}` at λ = 0, P = 0, by brute force."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    zero = {name: (np.zeros_like(us[name]), np.zeros_like(vs[name])) for name in us}
    vectors = []
    for name in us:
        r = us[name].shape[1]
        for a in range(r):
            for b in range(r):
                mix = np.zeros((r, r))
                mix[a, b] = 1.0
                if problem.lam > 0 or problem.perturbation is not None:
                    mix = mix - mix.T
                moved = {**zero, name: (us[name] @ mix, -vs[name] @ mix.T)}
                vectors.append(flatten({k: m[0] for k, m in moved.items()}, {k: m[1] for k, m in moved.items()}))
    return scipy.linalg.orth(np.array(vectors).T, rcond=1e-11)


def projected_eigenvalues(problem, u, v):
    h, gauge = dense_hessian(problem, u, v), gauge_directions(problem, u, v)
    across = scipy.linalg.null_space(gauge.T) if gauge.shape[1] else np.eye(len(h))
    return np.linalg.eigvalsh(across.T @ h @ across)
