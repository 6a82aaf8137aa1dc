"""One module a library: what `python -m benchmarks.contenders.NAME` measures in its own process."""
