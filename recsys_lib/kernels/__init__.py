"""The Numba kernels: they know arrays and nothing else.

Every kernel gives the same bits at any number of threads: a parallel loop writes rows that no other
iteration touches, and whatever must be summed is summed afterwards, in one fixed order.
"""
