"""The Numba kernels: they know arrays and nothing else.

Every kernel gives the same bits at any number of threads: a parallel loop writes rows that no other
iteration touches, and whatever must be summed is summed afterwards, in one fixed order.

A parallel function holds little but its loop and a call. Its body takes Numba about twice as long
to compile; and of sums in it that the compiler may reorder (`linalg.FAST`), the last bit was one in
the process that compiled them and another in those that loaded them. What it calls gets the index
as np.int64: Numba types it twice, once unsigned, and would compile the callee twice. Nor do kernels
assign one array to a part of another: the message for shapes that do not fit takes seconds to
compile.
"""
