"""What is imported before the tests of model selection."""

from contextlib import suppress

# It adds to the methods that scikit-learn routes metadata to, which requests made before it lack.
with suppress(ImportError):
    import imblearn  # noqa: F401
