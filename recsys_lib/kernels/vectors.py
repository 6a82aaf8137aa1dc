"""Vectors of LANES numbers, held in the processor's registers.

A loop over an array may or may not become vector instructions, as the compiler sees fit. Where a
kernel's speed depends on them, it asks for them: `load` reads LANES adjacent numbers, `fma`
multiplies and adds all of them at once, `store` writes them back. LLVM turns each into what the
processor has: one AVX-512 register, one of AVX2, two of ARM's.

Each operation is Python that writes a line of LLVM's intermediate code (numba.extending), and has
an equivalent on NumPy's arrays for NUMBA_DISABLE_JIT=1.
"""

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, register_model

# float32 in a register: a kernel that keeps eight sums uses half of the registers there are.
LANES = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8


class Vector(types.Type):
    """The type of LANES numbers of one `dtype`; it exists in kernels only."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Vector({dtype})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        scalar = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(scalar, LANES))


def operation(twin):
    """Return a decorator: Numba's `intrinsic`, or `twin` where its compiler is switched off."""
    return lambda typed: twin if config.DISABLE_JIT else intrinsic(typed)


@operation(lambda row, index: row[index : index + LANES].copy())
def load(typing_context, row, index):
    """Return the LANES numbers of a 1-d array that begin at `index`."""

    def generate(context, builder, signature, arguments):
        place = _vector_at(context, builder, signature, arguments)
        return builder.load(place, align=_bytes(row))

    _check(row)
    return Vector(row.dtype)(row, types.intp), generate


@operation(lambda row, index, vector: row.__setitem__(slice(index, index + LANES), vector))
def store(typing_context, row, index, vector):
    """Write `vector` to a 1-d array, from `index` on."""

    def generate(context, builder, signature, arguments):
        place = _vector_at(context, builder, signature, arguments)
        builder.store(arguments[2], place, align=_bytes(row))
        return context.get_dummy_value()

    _check(row)
    return types.void(row, types.intp, vector), generate


@operation(lambda row, index: np.full(LANES, row[index]))
def spread(typing_context, row, index):
    """Return the one number at `index` of a 1-d array, in every lane."""

    def generate(context, builder, signature, arguments):
        vector_type = context.get_value_type(signature.return_type)
        number = builder.load(_at(context, builder, signature, arguments))
        return _repeat(builder, number, vector_type)

    _check(row)
    return Vector(row.dtype)(row, types.intp), generate


@operation(lambda row: np.zeros(LANES, row.dtype))
def zeros(typing_context, row):
    """Return zeros, of the dtype of a 1-d array."""

    def generate(context, builder, signature, arguments):
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Vector(row.dtype)(row), generate


@operation(np.add)
def add(typing_context, a, b):
    """Return a + b, lane by lane."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@operation(np.multiply)
def multiply(typing_context, a, b):
    """Return a b, lane by lane."""
    return a(a, b), lambda context, builder, signature, arguments: builder.fmul(*arguments)


@operation(np.negative)
def negative(typing_context, a):
    """Return -a, lane by lane."""
    return a(a), lambda context, builder, signature, arguments: builder.fneg(*arguments)


@operation(lambda a, b, c: (np.float64(a) * b + c).astype(c.dtype))
def fma(typing_context, a, b, c):
    """Return a b + c, rounded once: numbers as well as vectors, lane by lane."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "fma", arguments)

    return c(a, b, c), generate


@operation(lambda a: 1 / np.sqrt(a))
def inverse_root(typing_context, a):
    """Return 1 / √a, lane by lane."""

    def generate(context, builder, signature, arguments):
        root = _call(builder, "sqrt", arguments)
        one = _repeat(builder, root.type.element(1), root.type)
        return builder.fdiv(one, root)

    return a(a), generate


@operation(lambda row, index, *four: row.__setitem__(slice(index, index + 4), np.sum(four, axis=1)))
def store_sums(typing_context, row, index, a, b, c, d):
    """Write the four sums of the lanes of `a`, `b`, `c` and `d` to a 1-d array, from `index` on."""

    def generate(context, builder, signature, arguments):
        place = _at(context, builder, signature, arguments)
        x, y, z, w = arguments[2:]
        left, right = (0, LANES, 1, LANES + 1), (2, LANES + 2, 3, LANES + 3)
        xy, zw = _paired(builder, x, y, left, right), _paired(builder, z, w, left, right)
        sums = _paired(builder, xy, zw, (0, 1, LANES, LANES + 1), (2, 3, LANES + 2, LANES + 3))
        while (half := sums.type.count // 2) >= 4:
            low, high = (_shuffled(builder, sums, sums, range(n, n + half)) for n in (0, half))
            sums = builder.fadd(low, high)
        builder.store(sums, builder.bitcast(place, sums.type.as_pointer()), align=_bytes(row))
        return context.get_dummy_value()

    _check(row)
    return types.void(row, types.intp, a, b, c, d), generate


@operation(lambda a, b: bool((a > b).any()))
def any_above(typing_context, a, b):
    """Return whether a > b in any lane."""

    def generate(context, builder, signature, arguments):
        above = builder.fcmp_ordered(">", *arguments)  # one bit per lane
        bits = builder.bitcast(above, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, bits.type(0))

    return types.boolean(a, b), generate


@operation(lambda row, index: None)
def prefetch(typing_context, row, index):
    """Prefetch the cache line of a number of a 1-d array that will be read soon."""

    def generate(context, builder, signature, arguments):
        place = builder.bitcast(_at(context, builder, signature, arguments), cgutils.voidptr_t)
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, i32(0), i32(3), i32(1)])  # a read, of data, to keep close by
        return context.get_dummy_value()

    return types.void(row, types.intp), generate


# --- what the operations share: all of it runs while a kernel is compiled -------------------------


def _check(row):
    """Refuse arrays that are not contiguous: the numbers in between would be read instead."""
    if not (isinstance(row, types.Array) and row.ndim == 1 and row.layout == "C"):
        raise TypingError(f"a vector is a part of a contiguous 1-d array, not of {row}")


def _bytes(row):
    return row.dtype.bitwidth // 8


def _at(context, builder, signature, arguments):
    """Return the address of ``row[index]``."""
    row = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(row.data, [arguments[1]])


def _vector_at(context, builder, signature, arguments):
    """Return the same address, as that of a vector."""
    vector_type = context.get_value_type(Vector(signature.args[0].dtype))
    place = _at(context, builder, signature, arguments)
    return builder.bitcast(place, vector_type.as_pointer())


def _repeat(builder, number, vector_type):
    """Return `number` in every lane."""
    nothing = ir.Constant(vector_type, ir.Undefined)
    alone = builder.insert_element(nothing, number, ir.IntType(32)(0))
    return _shuffled(builder, alone, nothing, [0] * LANES)


def _shuffled(builder, a, b, lanes):
    """Return a vector of some lanes of `a`, which are counted from 0, and of `b`, from LANES on."""
    numbers = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, numbers)


def _paired(builder, a, b, left, right):
    """Return the sum of two shuffles, which do the same in every four lanes."""
    both = ([4 * k + lane for k in range(LANES // 4) for lane in four] for four in (left, right))
    return builder.fadd(*(_shuffled(builder, a, b, lanes) for lanes in both))


def _call(builder, name, arguments):
    """Call one of LLVM's own functions, for vectors or for single numbers."""
    kind = arguments[0].type
    scalar = kind.element if isinstance(kind, ir.VectorType) else kind
    letters = "f32" if isinstance(scalar, ir.FloatType) else "f64"
    if kind is not scalar:
        letters = f"v{LANES}{letters}"
    function_type = ir.FunctionType(kind, [kind] * len(arguments))
    function = cgutils.get_or_insert_function(
        builder.module, function_type, f"llvm.{name}.{letters}"
    )
    return builder.call(function, arguments)
