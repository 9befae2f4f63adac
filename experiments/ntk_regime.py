"""Is it the NTK regime? The same training on the linearized and on the true network, as the width grows.

One cell: an MLP of one width on N digits of two classes, its second hidden weight adapted, by LoRA from its own
initialization or whole by proximal gradient; the linearized network is trained beside it with the same start, decay and
steps. Read: orders in the width [derived, `theory.width_orders`], with ReLU and with a smooth φ; under mean-field
scaling, the control, nothing becomes linear. Labels ±4 instead of ±1 lead further from the start.

Outputs at the start are taken away, so that what is learned does not depend on the draw. The network is trained in the
coordinates of `wide_network`: exact, and at a cost that grows with the width and not with its square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import ntklora as nl
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_key

# Narrower networks are padded to this width: one compilation serves all, and costs more than the larger arrays do.
ROWS = 2048

COLUMNS = (
    Column("learning_rate", float, "step size, of both networks"),
    Column("lam", float, "weight decay"),
    Column("steps", list[int], "steps at which the networks are compared: evenly in log"),
    Column("time", list[float], "learning rate × step"),
    Column("objective", list[float], "F of the true network"),
    Column("linearized_objective", list[float], "F of the linearized network"),
    Column("weight_change", list[float], "‖δ‖_F/‖W0‖_F of the true network"),
    Column("kernel_drift", list[float], "‖Θ(W0+δ) − Θ(W0)‖_F/‖Θ(W0)‖_F of the true network"),
    Column("output_distance", list[float], "‖z − z_lin‖/‖z_lin − z_0‖ on the training data"),
    Column("held_out_distance", list[float], "the same on held-out digits"),
    Column("delta_distance", list[float], "‖δ − δ_lin‖_F/‖δ_lin‖_F"),
)


@dataclass(frozen=True)
class Widening:
    """One network of one width, one way to train it."""

    scaling: str = "ntk"
    """ntk (readout times 1/√width) or mean_field (1/width)."""
    label_scale: float = 1.0
    """Labels are ± this."""
    num_samples: int = 16
    """N; K is 1."""
    num_held_out: int = 64
    """Further digits of the same classes, on which predictions are compared."""
    lam_ratio: float = 0.01
    """Weight decay as a share of lam_max."""
    num_steps: int = 200
    """Steps of gradient descent, or of proximal gradient."""
    rank: int = 4
    """LoRA rank (with full fine-tuning it has no part)."""
    seed: int = 0
    """Seed of the data (the same at every width), and with the width of the network and the start."""
    width: int = 64
    """Units of both hidden layers."""
    activation: str = "relu"
    """relu or tanh."""
    method: str = "lora"
    """lora, or full: proximal gradient on the whole weight."""


def run(widening: Widening) -> Row:
    """Both networks along one path."""
    width, rank = widening.width, widening.rank if widening.method == "lora" else 0
    rows = max(width, ROWS)
    key = stream_key("starts", widening.seed, width=width, rank=rank)
    start = nl.Kaiming().draw(key, {"w": width}, rank)["w"]
    network = nl.wide_network(
        width,
        np.asarray(start),
        stream_key("network", widening.seed, width=width),
        activation=widening.activation,
        scaling=widening.scaling,
        num_samples=widening.num_samples,
        num_held_out=widening.num_held_out,
        seed=widening.seed,
        label_scale=widening.label_scale,
        rows=rows,
    )
    problem = nl.make_problem(network.f, network.params, network.x, network.y, targets=["w"], loss="squared", lam=0.0)
    problem = problem.with_lam(widening.lam_ratio * nl.lam_max(problem))
    common = {"steps": widening.num_steps, "held_out": network.held_out}
    if widening.method == "lora":
        common["initialization"] = nl.Given(np.zeros((rows, rank)), network.right)
        path = nl.lora_departure(network.f, network.params, network.x, problem, rank, key, **common)
    else:
        path = nl.full_departure(network.f, network.params, network.x, problem, **common)
    measured = {name: getattr(path, name) for name in ("learning_rate", "steps", "time", *MEASURES)}
    return {**measured, "lam": float(problem.lam), "weight_change": path.change / network.weight_norm}


MEASURES = (
    "objective",
    "linearized_objective",
    "kernel_drift",
    "output_distance",
    "held_out_distance",
    "delta_distance",
)


def grids(widths, seeds, control_seeds, num_steps=200):
    """Both φ and both methods; LoRA under mean-field scaling; LoRA on larger labels. φ and method vary fastest: they
    share the draw of the network."""
    common = {"num_steps": num_steps, "width": widths}
    return (
        {**common, "seed": seeds, "activation": ("relu", "tanh"), "method": ("lora", "full")},
        {**common, "seed": control_seeds, "scaling": "mean_field", "activation": "tanh"},
        {**common, "seed": control_seeds, "label_scale": 4.0, "activation": ("relu", "tanh")},
    )


experiment = Experiment(
    name="ntk_regime",
    version=1,
    question="How far does training take a network from its linearization, and from which width on is it little?",
    parameters=Widening,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (
            {"num_steps": 40, "num_held_out": 16, "seed": (0, 1), "width": (64, 256), "activation": "tanh"},
            {"num_steps": 40, "num_held_out": 16, "seed": (0, 1), "width": (64, 256), "activation": "tanh",
             "scaling": "mean_field"},
        ),
        Profile.default: grids((64, 128, 256, 512, 1024, 2048), tuple(range(8)), tuple(range(4))),
        Profile.full: grids((64, 128, 256, 512, 1024, 2048, 4096, 8192), tuple(range(24)), tuple(range(12)), 1000),
    },
    run=run,
    chunk=16,
)  # fmt: skip
