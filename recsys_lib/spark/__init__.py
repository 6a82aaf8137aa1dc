"""The same models on a cluster: ratings in blocks on Spark, each solved by the library's kernels.

Needs ``recsys-lib[spark]`` and Java 17 or newer; on a cluster, so does the executors' Python. `fit`
is what `ALS.fit` is in memory; `recommend` and `evaluate` serve and measure all users where they
are.
"""

from recsys_lib.errors import RecsysError

try:
    import pyspark  # noqa: F401
except ModuleNotFoundError as error:
    raise RecsysError(
        "recsys_lib.spark needs PySpark, which is not installed: pip install 'recsys-lib[spark]'"
    ) from error

from recsys_lib.spark.blocks import Blocks
from recsys_lib.spark.fitted import Fitted
from recsys_lib.spark.fitting import fit
from recsys_lib.spark.serving import evaluate, recommend
from recsys_lib.spark.sessions import session

__all__ = ["Blocks", "Fitted", "evaluate", "fit", "recommend", "session"]
