"""Makes the language known to Pygments, which looks lexers up by name."""

import sys
from pathlib import Path

from pygments.lexers import LEXERS

# Imported now: mkdocs puts the path back after it has read this file.
sys.path.insert(0, str(Path(__file__).parent))
import jemscript_lexer  # noqa: E402, F401

LEXERS["JemscriptLexer"] = ("jemscript_lexer", "jemscript", ("rhai", "jemscript"), ("*.rhai",), ())
