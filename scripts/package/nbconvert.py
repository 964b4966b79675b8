"""Notebooks in jemscript as scripts: what `jupyter nbconvert --to script` asks for a notebook in this language."""

from nbconvert.exporters import ScriptExporter


class JemscriptExporter(ScriptExporter):
    """Cells one after the other, and texts as comments."""

    def from_notebook_node(self, nb, resources=None, **kw):
        parts = []
        for cell in nb.cells:
            if cell.cell_type == "code" and cell.source.strip():
                parts.append(ended(cell.source.rstrip()))
            elif cell.cell_type == "markdown":
                parts.append("\n".join(f"// {line}".rstrip() for line in cell.source.splitlines()))
        resources = self._init_resources(resources)
        resources["output_extension"] = ".rhai"
        return "\n\n".join(parts) + "\n", resources


def ended(code):
    """A cell whose last statement is ended: in a notebook its value is shown, and the semicolon left out."""
    last = code.splitlines()[-1]
    if last.endswith(";"):
        return code
    # Behind a comment it needs a line of its own.
    return code + ("\n;" if "//" in last or "*/" in last else ";")
