"""Measuring. Models beside each other: `protocols`, `comparison`, and ``make reproduce``, ``tune``.

The library beside those that people would pick instead: ``make bench``. Each measurement is a
process of its own, on the same files of ratings. A peer runs in an environment apart
(`_build/peers`): of our modules, its process imports `benchmarks.worker` alone.
"""
