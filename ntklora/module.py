"""The frozen module that everything with mathematics in it is: equinox's, with methods that cost nothing to look up."""

from __future__ import annotations

import equinox as eqx


class Module(eqx.Module):
    """A frozen dataclass and pytree of arrays.

    Equinox wraps a method in a pytree of its own whenever it is looked up, 20 µs each time: more than most of the
    products that the certificates compute on the host. Here a bound method is Python's; hand functions of the module,
    not its bound methods, to `jit`.
    """

    __getattribute__ = object.__getattribute__
