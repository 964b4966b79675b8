"""Lets papermill write parameters into notebooks in jemscript.

Papermill has no list of languages that a package may add to; it imports the engines that packages name, and this module is
named as one. What it gives is papermill's own engine: all that is ours is the translator.
"""

import re

from papermill.engines import NBClientEngine as Engine
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

__all__ = ["Engine", "Jemscript"]


class Jemscript(Translator):
    """Parameters as statements: `let lr = set_param("lr", 0.1);`."""

    @classmethod
    def translate_none(cls, val):
        raise ValueError("a parameter of a jemscript notebook cannot be None")

    @classmethod
    def translate_float(cls, val):
        if val != val or val in (float("inf"), float("-inf")):
            raise ValueError(f"a parameter of a jemscript notebook must be finite, got {val}")
        return repr(val)

    @classmethod
    def translate_list(cls, val):
        return f"[{', '.join(map(cls.translate, val))}]"

    @classmethod
    def translate_dict(cls, val):
        return "#{ " + "".join(f"{cls.translate_str(str(k))}: {cls.translate(v)}, " for k, v in val.items()) + "}"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}".strip()

    @classmethod
    def assign(cls, name, str_val):
        return f'let {name} = set_param("{name}", {str_val});'

    @classmethod
    def inspect(cls, parameters_cell):
        """The `param`s of the tagged cell, for `papermill --help-notebook`."""
        call = r'\bparam\(\s*"(\w+)"\s*,\s*([^,()\[\]{}]+|\[[^\]]*\])\s*(?:,\s*"([^"]*)"\s*)?\)'
        found = re.findall(call, parameters_cell["source"])
        return [Parameter(name, "None", default.strip(), help) for name, default, help in found]


papermill_translators.register("jemscript", Jemscript)
