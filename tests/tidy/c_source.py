"""Just enough of C to check a file's shape: masks comments and strings, finds functions and
objects.

It reads code that clang-format laid out and that compiles. Macros that hide braces would mislead
it, and have no place in this tree.
"""

import re

COMMENT_OR_STRING = re.compile(
    r"""//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL
)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)


def blank(match):
    """The same number of characters and lines, with nothing in them."""
    return re.sub(r"[^\n]", " ", match.group(0))


def blank_text(match):
    """As blank(), but strings and characters keep their quotes."""
    text = match.group(0)
    if text[0] in "\"'" and len(text) > 1:
        return text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[-1]
    return blank(match)


def mask(text):
    """The text without comments and what is in strings; all else stays where it was."""
    return COMMENT_OR_STRING.sub(blank_text, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def closing_brace(code, opening):
    """The offset of the brace that closes the one at `opening`."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if brace.group(0) == "{" else -1
        if depth == 0:
            return brace.start()
    return len(code) - 1


def is_function(head):
    """Whether what stands before an opening brace at file scope is the head of a function."""
    without_attributes = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", head, flags=re.DOTALL).strip()
    return without_attributes.endswith(")") and "=" not in without_attributes


class Source:
    """A C file: its functions as (first line, last line, body), its file-scope statements as
    (line, text) with the bodies of structs and initialisers cut out."""

    def __init__(self, text):
        self.text = text
        self.code = mask(text)
        self.lines = text.split("\n")
        self.functions = []
        self.statements = []
        self.split(PREPROCESSOR.sub(blank, self.code))

    def split(self, code):
        start = 0  # of the statement that is being read
        kept = ""  # of it, without what stood in braces
        offset = 0
        while offset < len(code):
            character = code[offset]
            if character == "{":
                end = closing_brace(code, offset)
                if is_function(kept):
                    first = start + len(code[start:]) - len(code[start:].lstrip())
                    body = (offset, code[offset : end + 1])
                    self.functions.append((line_of(code, first), line_of(code, end), body))
                    kept, start = "", end + 1
                else:
                    kept += "{}"
                offset = end
            elif character == ";":
                first = start + len(code[start:]) - len(code[start:].lstrip())
                if kept.strip():
                    self.statements.append((line_of(code, first), " ".join(kept.split())))
                kept, start = "", offset + 1
            else:
                kept += character
            offset += 1


NOT_AN_OBJECT = re.compile(
    r"^(typedef|extern|static_assert|_Static_assert|struct \w+$|union \w+$|enum\b[^=]*\{\}$)"
)


def declares_mutable(statement):
    """Whether a declaration (of static storage) declares an object that can be written."""
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)\s*", "", statement)
    text = re.sub(r"\b__extension__\s*", "", text)
    text = re.sub(r"\b(_Alignas|alignas)\s*\([^)]*\)\s*", "", text).strip()
    if NOT_AN_OBJECT.match(text):
        return False
    declarator = text.split("=")[0].strip()
    if re.fullmatch(r"(static\s+|const\s+)*(struct|union)\s+\w*\s*\{\}", declarator):
        return False
    function_pointer = re.search(r"\(\s*\*\s*(const\b)?", declarator)
    if function_pointer:
        return function_pointer.group(1) is None
    if "(" in declarator:
        return False  # a function's declaration, or a macro's call
    if not re.search(r"[\w}][\s*]+\w+\s*(\[[^]]*\]\s*)*(,|$)", declarator):
        return False
    if "*" in declarator:
        return re.match(r"\s*const\b", declarator[declarator.rindex("*") + 1 :]) is None
    return re.search(r"\bconst\b", declarator) is None


def mutable_statics(source):
    """The lines on which an object of static storage is declared that is not const."""
    for line, statement in source.statements:
        if declares_mutable(statement):
            yield line, statement
    for _, _, (offset, body) in source.functions:
        for found in re.finditer(r"(?<![\w.])static\s+[^;=]*[;=]", body):
            statement = " ".join(found.group(0)[:-1].split())
            if not statement.startswith("static_assert") and declares_mutable(statement):
                yield line_of(source.text, offset + found.start()), statement
