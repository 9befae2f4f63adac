"""Fixtures of these tests."""

from tests.accelerator import accelerator as accelerator
