"""Numerical kernels: pure functions on arrays, grouped by the array library that runs them.

:mod:`sknorm.kernels.reference` is the specification in array-API code; the other packages
override its functions by name. Backends join them; nothing else falls back.
"""
