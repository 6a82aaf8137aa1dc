"""The papermill engine "course", which also evaluates the inline expressions in Markdown cells.

An expression is replaced by its value in the kernel's state right after the cells before it, by
Jupyter's ``user_expressions``. A value that has a Markdown form is written as that, a string as it
stands, and anything else as its ``repr``.
"""

from typing import Any

from nbclient.exceptions import CellExecutionError
from nbclient.util import ensure_async, run_hook, run_sync
from nbformat import v4
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine

from course.inline import expressions, filled, text_of


class Client(PapermillNotebookClient):
    """Papermill's client, which passes over no Markdown cell with inline expressions."""

    async def async_execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Execute a code cell; put the values into a Markdown cell.

        An expression that raises fails the notebook: the error becomes that of a code cell before
        the Markdown cell, where papermill and the reader find it.
        """
        asked = expressions(cell.source) if cell.cell_type == "markdown" else []
        if not asked:
            try:
                return await super().async_execute_cell(cell, cell_index, **options)
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
                trace = answer.get("traceback") or [f"{name}: {value}"]
                error = v4.new_output("error", ename=name, evalue=value, traceback=[*trace, value])
                failed = v4.new_code_cell(expression, outputs=[error])
                failed.metadata.papermill = {}
                self.nb.cells.insert(cell_index, failed)
                raise CellExecutionError.from_cell_and_msg(failed, error)
        values = [text_of(answers[number]["data"]) for number in known]
        cell.source = filled(cell.source, iter(values))
        return cell

    execute_cell = run_sync(async_execute_cell)


class Engine(NBClientEngine):
    """Run notebooks by `Client`; the options are those of papermill's own engine."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, start_timeout: int = 60, **options: Any
    ) -> None:
        """Execute the notebook that the manager holds."""
        for name in ("input_path", "execution_timeout"):
            options.pop(name, None)
        Client(nb_man, kernel_name=kernel_name, startup_timeout=start_timeout, **options).execute()
