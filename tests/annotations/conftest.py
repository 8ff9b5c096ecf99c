"""The scripts that type checkers read are no modules of tests."""

collect_ignore = ["right.py", "wrong.py"]
