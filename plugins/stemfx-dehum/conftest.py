"""Puts this folder on the import path, so that the tests also run uninstalled."""  # noqa: INP001 - it is no package
