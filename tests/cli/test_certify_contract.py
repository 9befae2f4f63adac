"""Property: `certify` writes a certificate that anyone can check, counts every start, and refuses a bad problem."""

import numpy as np
import pytest

import ntklora as nl
from tests.cli.run import main_here

CERTIFICATE = (
    "primal",
    "dual",
    "gap",
    "status",
    "rank",
    "nuclear_norm",
    "reduced_rank",
    "pataki_rank",
    "lam",
    "lam_max",
)
CLASSES = ("global", "spurious", "rank_limited", "flat", "saddle", "unconverged", "inconclusive")


def gaussian(seed=0, n=6, k=2, m=5, w=4):
    """Arrays of a generic problem with squared loss at a moderate weight decay."""
    rng = np.random.default_rng(seed)
    arrays = {"G": rng.normal(size=(n, k, m, w)), "f0": np.zeros((n, k)), "y": rng.normal(size=(n, k))}
    return {**arrays, "loss": "squared", "lam": 0.1}


def write(path, **arrays):
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_the_written_dual_point_proves_the_gap_in_ten_lines_of_numpy(tmp_path, capsys):
    content = gaussian()
    out = tmp_path / "certificate.npz"
    done = main_here(capsys, "certify", write(tmp_path / "p.npz", **content), "--out", out, "--json")
    assert done.status == 0, done.err
    assert set(done.document) >= {*CERTIFICATE, "seconds"}
    G, f0, y, lam = (content[key] for key in ("G", "f0", "y", "lam"))
    written = np.load(out)
    delta, alpha = written["delta"], written["alpha"]
    z = f0 + np.einsum("ikmn,mn->ik", G, delta)
    primal = 0.5 * ((z - y) ** 2).sum() / len(y) + lam * np.linalg.norm(delta, "nuc")
    gamma = np.einsum("ik,ikmn->mn", alpha, G) / len(y)
    assert np.linalg.norm(gamma, 2) <= lam * (1 + 1e-12)
    dual = -((0.5 * alpha**2 + alpha * y).sum() - (alpha * f0).sum()) / len(y)
    assert primal - dual <= 1e-8 * primal
    assert (done.document["primal"], done.document["dual"]) == pytest.approx((primal, dual), rel=1e-13)
    reduced = written["u"] @ written["v"].T
    assert np.einsum("ikmn,mn->ik", G, reduced - delta) == pytest.approx(0, abs=1e-10)
    assert written["u"].shape[1] == done.document["reduced_rank"] <= done.document["pataki_rank"] == nl.pataki_rank(12)


def test_the_landscape_counts_every_start_and_does_not_change_the_status(tmp_path, capsys):
    path = write(tmp_path / "p.npz", **gaussian())
    done = main_here(capsys, "certify", path, "--rank", 1, "--starts", 10, "--seed", 3, "--json")
    assert done.status == 0, done.err
    landscape = done.document["landscape"]
    assert set(landscape) == {"lora_rank", "starts", *CLASSES, "best_objective", "worst_objective"}
    assert sum(landscape[name] for name in CLASSES) == landscape["starts"] == 10
    assert done.document["primal"] * (1 - 1e-8) <= landscape["best_objective"] <= landscape["worst_objective"]
    again = main_here(capsys, "certify", path, "--rank", 1, "--starts", 10, "--seed", 3, "--json")
    assert again.document["landscape"] == landscape


def test_several_weights_are_reported_by_name(tmp_path, capsys):
    content = gaussian()
    rng = np.random.default_rng(1)
    content |= {
        "G": None,
        "G/first": content["G"],
        "a/last": rng.normal(size=(6, 2, 3)),
        "b/last": rng.normal(size=(6, 2, 2, 7)),
    }
    out = tmp_path / "certificate.npz"
    done = main_here(
        capsys, "certify", write(tmp_path / "p.npz", **content), "--out", out, "--rank", 2, "--starts", 4, "--json"
    )
    assert done.status == 0, done.err
    assert set(done.document["ranks"]) == set(done.document["reduced_ranks"]) == {"first", "last"}
    assert max(done.document["ranks"].values()) == done.document["rank"]
    assert {"delta/first", "delta/last", "u/first", "v/last", "alpha"} <= set(np.load(out))


def test_at_lam_max_and_above_nothing_is_changed(tmp_path, capsys):
    path = write(tmp_path / "p.npz", **gaussian())
    lam_max = main_here(capsys, "certify", path, "--json").document["lam_max"]
    done = main_here(capsys, "certify", path, "--lam", 1.01 * lam_max, "--json")
    assert (done.status, done.document["rank"], done.document["reduced_rank"]) == (0, 0, 0)
    assert done.document["nuclear_norm"] == 0
    assert done.document["lam"] == 1.01 * lam_max


def test_a_person_reads_the_same_in_words(tmp_path, capsys):
    path = write(tmp_path / "p.npz", **gaussian())
    done = main_here(capsys, "certify", path, "--rank", 2, "--starts", 10)
    for word in ("certified", "relative gap", "lam_max", "LoRA of rank 2, 10 starts", "objective from"):
        assert word in done.out


LABELS = np.array([1.0, -1, 1, -1, 1, 1])
ONE = {**gaussian(k=1), "y": LABELS, "loss": "logistic"}
BAD = {
    "missing file": (None, [], "no such file"),
    "missing key": (gaussian() | {"f0": None}, [], "lacks the array 'f0'"),
    "wrong shape": (gaussian() | {"f0": np.zeros((5, 2))}, [], "f0 has shape"),
    "NaN": (gaussian() | {"y": np.full((6, 2), np.nan)}, [], "not finite"),
    "labels 0 and 1": (ONE | {"y": LABELS > 0}, [], "pass 2*y - 1"),
    "labels out of range": (gaussian() | {"y": np.arange(6), "loss": "cross_entropy"}, [], "class indices"),
    "unknown loss": (gaussian() | {"loss": "hinge"}, [], "unknown loss 'hinge'"),
    "empty data": (gaussian(n=0), [], "empty"),
    "pickled": (gaussian() | {"y": np.array([[None, 1]] * 6, object)}, [], "not objects"),
    "negative lam": (gaussian(), ["--lam", "-1"], "lam must be"),
    "NaN lam": (gaussian(), ["--lam", "nan"], "lam must be"),
    "rank 0": (gaussian(), ["--rank", "0"], "--rank"),
    "no starts": (gaussian(), ["--rank", "1", "--starts", "0"], "--starts"),
    "perturbation": (gaussian() | {"P": np.eye(9)}, [], "leave P out"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_problem_is_one_line_status_2_and_nothing_is_written(case, tmp_path, capsys):
    content, arguments, message = BAD[case]
    path = tmp_path / "none.npz" if content is None else write(tmp_path / "p.npz", **content)
    before = sorted(tmp_path.iterdir())
    done = main_here(capsys, "certify", path, *arguments, "--out", tmp_path / "out.npz")
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("out", ["none/out.npz", "."])
def test_an_output_that_cannot_be_written_is_found_before_the_work(out, tmp_path, capsys):
    path = write(tmp_path / "p.npz", **gaussian())
    done = main_here(capsys, "certify", path, "--out", tmp_path / out)
    assert done.status == 2
    assert "cannot be written" in done.err


@pytest.mark.parametrize("out", ["p.npz", "p"])
def test_an_output_never_takes_the_place_of_the_problem(out, tmp_path, capsys):
    path = write(tmp_path / "p.npz", **gaussian())
    before = path.read_bytes()
    done = main_here(capsys, "certify", path, "--out", tmp_path / out)
    assert (done.status, path.read_bytes()) == (2, before)
    assert "is the problem itself" in done.err


def test_separable_data_without_decay_has_no_minimizer_and_is_not_certified(tmp_path, capsys):
    done = main_here(capsys, "certify", write(tmp_path / "p.npz", **ONE), "--lam", 0, "--json")
    assert (done.status, done.document["status"]) == (1, "no_minimizer")
