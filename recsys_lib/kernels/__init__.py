"""The Numba kernels: functions of arrays and numbers only.

Every kernel gives the same bits at any number of threads: a part of the work writes rows that no
other part writes, and sums over parts are taken afterwards, in one fixed order. `threads` assigns
parts to threads.

Kernels do not assign one array to a part of another: compiling the error message for mismatched
shapes takes seconds.
"""
