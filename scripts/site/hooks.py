"""Makes the language known to Pygments, which looks lexers up by name."""

import sys
from pathlib import Path

from pygments.lexers import LEXERS

sys.path.insert(0, str(Path(__file__).parent))
LEXERS["JemscriptLexer"] = ("jemscript_lexer", "jemscript", ("rhai", "jemscript"), ("*.rhai",), ())
