"""The papermill engine "course", which also evaluates the inline expressions in Markdown cells.

An expression is replaced by its value in the kernel's state right after the cells before it, by
Jupyter's ``user_expressions``. A value that has a Markdown form is written as that, a string as
escaped text, and anything else as its ``repr``, escaped too.
"""

import os
import threading
from typing import Any, NoReturn

from nbclient.exceptions import CellExecutionError
from nbclient.util import ensure_async, run_hook, run_sync
from nbformat import v4
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine

from course.inline import expressions, filled, text_of

MOST_OUTPUT = 20_000_000  # characters that a cell may write
# At its first use, traitlets turns the name of a trait's class into the class: where two threads
# do that at once, one finds a class where it wants a name, and fails.
STARTING = threading.Lock()


class Client(PapermillNotebookClient):
    """Papermill's client, which passes over no Markdown cell with inline expressions."""

    iopub_timeout = 60  # seconds that a cell's last output may take, on a busy machine, too

    async def async_start_new_kernel(self, **options: Any) -> None:
        """Start the kernel, one at a time."""
        with STARTING:
            await super().async_start_new_kernel(**options)

    start_new_kernel = run_sync(async_start_new_kernel)

    def process_message(self, msg: Any, *place: Any) -> Any:
        """Take what a cell writes, up to a limit: the rest is counted, not kept."""
        told = msg["content"]
        size = sum(map(len, map(str, (told.get("text", ""), *told.get("data", {}).values()))))
        self.written += size
        return None if size and self.written > MOST_OUTPUT else super().process_message(msg, *place)

    async def async_execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Execute a code cell; put the values into a Markdown cell.

        An expression that raises fails the notebook: the error becomes that of a code cell before
        the Markdown cell, where papermill and the reader find it.
        """
        asked = expressions(cell.source) if cell.cell_type == "markdown" else []
        if not asked:
            self.written = 0
            try:
                cell = await super().async_execute_cell(cell, cell_index, **options)
                if self.written > MOST_OUTPUT:
                    told = f"the cell wrote {self.written / 1e6:,.0f} MB, more than a page may hold"
                    self._fail(cell, "Output", told, [])
                return cell
            finally:
                for output in cell.get("outputs", []):
                    if output.get("ename") == "SystemExit":  # at 0, papermill calls it success
                        output.evalue = f"{output.evalue}: a cell ended the chapter"
        await run_hook(self.on_cell_start, cell=cell, cell_index=cell_index)
        known = {str(number): expression for number, expression in enumerate(asked)}
        ask = self.kc.execute("", silent=True, user_expressions=known)
        reply = await self.async_wait_for_reply(await ensure_async(ask), cell)
        answers = reply["content"].get("user_expressions", {}) if reply else {}
        for number, expression in known.items():
            answer = answers.get(number, {"status": "error", "evalue": "the kernel did not answer"})
            if answer["status"] == "error":
                name, value = answer.get("ename", "Error"), answer.get("evalue", "")
                value = f"{value} (in {{eval}}`{expression}` of Markdown cell {cell_index + 1})"
                failed = v4.new_code_cell(expression)
                failed.metadata.papermill = {}
                self.nb.cells.insert(cell_index, failed)
                trace = answer.get("traceback") or [f"{name}: {value}"]
                self._fail(failed, name, value, trace)
        values = [text_of(answers[number]["data"]) for number in known]
        cell.source = filled(cell.source, iter(values))
        return cell

    execute_cell = run_sync(async_execute_cell)

    def _fail(self, cell: Any, name: str, value: str, trace: list[str]) -> NoReturn:
        """Leave an error as the output of a cell, and raise it."""
        trace = [*trace, value]
        cell.outputs = [v4.new_output("error", ename=name, evalue=value, traceback=trace)]
        raise CellExecutionError.from_cell_and_msg(cell, cell.outputs[0])


class Engine(NBClientEngine):
    """Run notebooks by `Client`; the options are those of papermill's own engine."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, start_timeout: int = 60, env: Any = None, **options: Any
    ) -> None:
        """Execute the notebook that the manager holds; `env` is its kernel's environment."""
        for name in ("input_path", "execution_timeout"):
            options.pop(name, None)
        with STARTING:
            client = Client(
                nb_man, kernel_name=kernel_name, startup_timeout=start_timeout, **options
            )
            client.create_kernel_manager()
        client.execute(env=os.environ if env is None else env)
