"""The Numba kernels: they know arrays and nothing else.

Every kernel gives the same bits at any number of threads: a part of the work writes rows that no
other part touches, and whatever must be summed is summed afterwards, in one fixed order. `threads`
says how parts come to threads.

Kernels do not assign one array to a part of another: the message for shapes that do not fit takes
seconds to compile.
"""
