"""The language for Pygments; the names are those of the grammar in editors/vscode."""

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text

__all__ = ["JemscriptLexer"]  # Pygments looks here

CONTROL = "if else switch for in while loop do until break continue return throw try catch import as".split()


class JemscriptLexer(RegexLexer):
    name = "jemscript"
    aliases = ["rhai", "jemscript"]
    filenames = ["*.rhai"]

    tokens = {
        "root": [include("code"), (r"\}", Punctuation)],
        "code": [
            (r"\s+", Text),
            (r"//.*$", Comment.Single),
            (r"/\*", Comment.Multiline, "comment"),
            (r'(#+)"(?:.|\n)*?"\1', String.Other),
            (r'"(\\.|[^"\\])*"', String.Double),
            (r"'(\\.[^']*|[^'\\])'", String.Char),
            (r"`", String.Backtick, "text"),
            (r"0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+", Number),
            (r"[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9_]+)?", Number),
            (r"(fn)(\s+)([A-Za-z_]\w*)", bygroups(Keyword.Declaration, Text, Name.Function)),
            (words(CONTROL, prefix=r"(?<!\.)\b", suffix=r"\b"), Keyword),
            (words(["let", "const", "fn", "private", "export"], prefix=r"(?<!\.)\b", suffix=r"\b"), Keyword.Declaration),
            (words(["true", "false", "this", "global"], prefix=r"(?<!\.)\b", suffix=r"\b"), Keyword.Constant),
            (r"#\{", Punctuation, "block"),
            (r"\{", Punctuation, "block"),
            (r"([A-Za-z_]\w*)(\s*)(::)", bygroups(Name.Namespace, Text, Punctuation)),
            (r"([A-Za-z_]\w*)(\s*)(:)(?!:)", bygroups(Name.Attribute, Text, Punctuation)),
            (r"[A-Za-z_]\w*(?=\s*\()", Name.Function),
            (r"[A-Za-z_]\w*", Name),
            (r"\*\*=?|\.\.=?|=>|->|\?\?|\?\.|&&|\|\||[-+*/%^&|=<>!~?]=?", Operator),
            (r"[\[\]().,;:#@$\\]", Punctuation),
        ],
        "block": [(r"\}", Punctuation, "#pop"), include("code")],
        "comment": [
            (r"[^*/]+", Comment.Multiline),
            (r"/\*", Comment.Multiline, "#push"),
            (r"\*/", Comment.Multiline, "#pop"),
            (r"[*/]", Comment.Multiline),
        ],
        "text": [
            (r"\$\{", String.Interpol, "interpolation"),
            (r"\\.", String.Escape),
            (r"`", String.Backtick, "#pop"),
            (r"[^`$\\]+|\$", String.Backtick),
        ],
        "interpolation": [(r"\}", String.Interpol, "#pop"), include("code")],
    }
