"""The benchmark: ``python -m bench``. See README.md beside this file.

Nothing is imported here: the programs of ``bench.programs`` also run in the virtual environments of peers.
"""
