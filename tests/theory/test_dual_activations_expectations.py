"""Property: the closed forms are Gaussian expectations: quadrature, orthant probabilities, and the slope in c."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import erf
from scipy.stats import multivariate_normal

from ntklora.theory.dual_activations import erf_moments, relu_moments

COVARIANCES = [(1.0, 0.3, 0.5), (2.0, -1.1, 0.9), (0.4, 0.0, 3.0), (1.0, 0.97, 1.0), (1.3, 1.3, 1.3)]
PROPER = [each for each in COVARIANCES if each[0] * each[2] > each[1] ** 2]


def arrays(covariance):
    return [np.array(entry) for entry in covariance]


@pytest.mark.parametrize("covariance", PROPER)
def test_relu_is_an_integral_over_the_quadrant_and_its_slope_an_orthant_probability(covariance):
    p, c, q = covariance
    value, slope = relu_moments(*arrays(covariance))
    law = multivariate_normal([0, 0], [[p, c], [c, q]])
    precision = np.linalg.inv([[p, c], [c, q]])
    scale = 1 / (2 * np.pi * np.sqrt(p * q - c**2))

    def weighted(y, x):
        return (
            x
            * y
            * scale
            * np.exp(-0.5 * (precision[0, 0] * x * x + 2 * precision[0, 1] * x * y + precision[1, 1] * y * y))
        )

    reach = 12 * np.sqrt(max(p, q))
    integral, _ = dblquad(weighted, 0, reach, 0, reach, epsabs=1e-9)
    assert float(value) == pytest.approx(integral, abs=1e-7)
    assert float(slope) == pytest.approx(law.cdf([0, 0]), abs=1e-6)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_erf_by_gauss_hermite_quadrature(covariance):
    p, c, q = covariance
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / np.sqrt(2 * np.pi)
    first = np.sqrt(p) * nodes
    second = c / np.sqrt(p) * nodes[:, None] + np.sqrt(max(q - c**2 / p, 0)) * nodes

    def derivative(z):
        return 2 / np.sqrt(np.pi) * np.exp(-(z**2))

    value, slope = erf_moments(*arrays(covariance))
    expected = [weights @ (f(first)[:, None] * f(second)) @ weights for f in (erf, derivative)]
    assert (float(value), float(slope)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("moments", [relu_moments, erf_moments])
@pytest.mark.parametrize("covariance", PROPER)
def test_the_slope_is_the_derivative_in_the_covariance(moments, covariance):
    p, c, q = arrays(covariance)
    step = 1e-5
    difference = (moments(p, c + step, q).value - moments(p, c - step, q).value) / (2 * step)
    assert float(moments(p, c, q).slope) == pytest.approx(float(difference), rel=1e-5)


def test_equal_arguments_have_no_angle():
    p = np.array([0.1, 0.7, 3.3])
    value, slope = relu_moments(p, p, p)
    assert np.array_equal(slope, np.full(3, 0.5))
    assert np.allclose(value, p / 2, rtol=1e-15)


def test_a_variance_of_zero_is_refused():
    with pytest.raises(ValueError, match="input of zeros"):
        relu_moments(np.array(0.0), np.array(0.0), np.array(1.0))
