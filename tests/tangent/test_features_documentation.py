"""Property: the documentation's lists of what is followed and what is dense are those of the code."""

import ast
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import ntklora as nl
from ntklora.tangent import features
from ntklora.tangent.backward.control import NESTED
from ntklora.tangent.backward.rules import RULES
from tests.tangent.networks import CASES, Case, draw

PAGE = (Path(__file__).parents[2] / "docs" / "tangent_features.md").read_text()
TABLE = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.split("## What is dense")[1], re.MULTILINE)[1:])

W, X = draw(4, 4), draw(3, 4)


def depthwise():
    def f(k, x):
        x = lax.conv_general_dilated(x[None], k, (1, 1), "SAME", feature_group_count=4)
        return jnp.tanh(x[0]).mean((1, 2))

    return Case(f, draw(4, 1, 3, 3), draw(3, 4, 5, 4), {})


def many_positions():
    def f(k, x):
        return jnp.tanh(lax.conv_general_dilated(x[None, None], k, (1,), "SAME")[0]).mean(1)

    return Case(f, draw(1, 1, 3), draw(3, 60), {})


def loop_product(w, x):
    return lax.scan(lambda power, _: (power @ w, None), jnp.eye(4), length=3)[0] @ x


DENSE = {
    "position table added before a nonlinearity": Case(lambda p, x: jnp.tanh(p + x[:, None]).sum(0), W, X, {}),
    "table added to an activation, or parameters multiplied by weights only": Case(
        lambda p, x: jnp.tanh(W @ (p + x[:, None])).sum(0), W, X, {}
    ),
    "weight masked entry by entry, nonlinearity applied to a weight": Case(
        lambda p, x: (jnp.tril(jnp.ones((4, 4))) * jax.nn.relu(p)) @ x, W, X, {}
    ),
    "weight or spectral normalization inside `f`": Case(
        lambda p, x: (p / jnp.linalg.norm(p, axis=1, keepdims=True)) @ x, W, X, {}
    ),
    "mean of all entries taken off a weight": Case(lambda p, x: (p - p.mean()) @ x, W, X, {}),
    "bias stacked in a loop over layers": CASES["scan over layers"],
    "depthwise convolution": depthwise,
    "matrix whose rows and columns are merged before use": Case(
        lambda p, x: p.reshape(2, 8) @ jnp.concatenate([x, x]), W, X, {}
    ),
    "weight written into a larger array": Case(lambda p, x: jnp.zeros((6, 4)).at[1:5].set(p) @ x, W, X, {}),
    "cumulative sum of a weight's rows": Case(lambda p, x: jnp.cumsum(p, 0) @ x, W, X, {}),
    "matrix power accumulated by a loop": Case(loop_product, W, X, {}),
    "entries of a weight sorted": Case(lambda p, x: jnp.sort(p, 0) @ x, W, X, {}),
    "small filter met at very many positions": many_positions,
    "vector or scalar": Case(lambda p, x: p * x, draw(4), X, {}),
}


def test_every_pattern_is_in_the_table():
    assert set(DENSE) == set(TABLE)


@pytest.mark.parametrize("pattern", DENSE)
def test_the_reason_is_the_documented_one(pattern):
    made = DENSE[pattern]
    case = made if isinstance(made, Case) else made()
    targets = "stack/b" if pattern.startswith("bias") else "*"
    # Reasons are found while tracing: nothing has to be compiled.
    op = jax.eval_shape(lambda p, x: nl.tangent_features(case.f, p, x, targets), case.params, case.x)
    (reason,) = dict(op.reasons).values()
    assert TABLE[pattern] in reason


def test_followed_and_opened_primitives_are_those_of_the_code():
    followed = PAGE.split("These primitives are followed:")[1].split(".\n")[0]
    opened = PAGE.split("their bodies followed:")[1].split(".\n")[0]
    assert set(re.findall("`(.+?)`", followed)) == set(RULES)
    assert set(re.findall("`(.+?)`", opened)) == {*NESTED, "scan", "cond"}


def test_every_reason_in_the_code_is_on_the_page():
    words = " ".join(PAGE.split())
    for path in (Path(features.__file__).parent / "backward").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and "NotRead" in ast.dump(node):
                for text in (part for part in ast.walk(node) if isinstance(part, ast.Constant)):
                    assert text.value in words, f"{path.name}: {text.value!r} is not in docs/tangent_features.md"
