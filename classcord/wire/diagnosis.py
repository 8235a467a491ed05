"""Why a line is not JSON: one table of causes, tried in order. It is used only when the decoder has failed.

Pure. Each row looks at a bounded piece of the line, so the cost does not grow with the line. An answer shows at most
one character of the line. Any thread may call this.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from classcord.wire.foreign import HEAD, JAVA_STREAM, frame, is_socks, negotiation

__all__ = [
    "CAUSES", "CONSTANT", "EXTRA", "NOT_OBJECT", "NOT_TEXT", "NUMBER", "Cause", "Diagnosis", "Failure", "diagnose",
    "has_length",
]

# Why decoding failed: a text of the json module, or one of these
EXTRA = "Extra data"
NOT_OBJECT = "Not an object"
NOT_TEXT = "Not text"
NUMBER = "Number out of range"
CONSTANT = "Constant"
_KEY = "Expecting property name"
_COLON = "Expecting ':'"
_COMMA = "Expecting ','"
_VALUE = "Expecting value"

_REACH = 100
"""Characters around the failure that a row may look at."""
_SPACE = " \t\r\n"


class Failure:
    """A line as it came, its text (empty if it is not text), the index where decoding failed, why, and the value
    (for bytes that are not text: the byte).
    """

    __slots__ = ("at", "char", "line", "text", "value", "why")

    def __init__(self, line: bytes, text: str = "", at: int = 0, why: str = _VALUE, value: Any = None) -> None:
        self.line = line
        self.text = text
        self.at = at
        self.char = text[at : at + 1]
        self.why = why
        self.value = value

    def before(self) -> int:
        """The index of the last character before the failure that is not white space, or -1."""
        start = max(0, self.at - _REACH)
        return start + len(self.text[start : self.at].rstrip(_SPACE)) - 1

    def says(self, *reasons: str) -> bool:
        return self.why.startswith(reasons)

    def word(self, pattern: re.Pattern[str]) -> bool:
        return pattern.match(self.text, self.at, self.at + _REACH) is not None


class Cause(NamedTuple):
    """`find` gives the index of the character to show, NOWHERE if it shows no character, None if this is not the cause.

    `text` is for people; {column}, {char}, {expected} and {found} may stand in it.
    """

    name: str
    find: Callable[[Failure], int | None]
    text: str


class Diagnosis(NamedTuple):
    """The cause's name, the column (in characters, the first is 1) or None, and a sentence in ASCII."""

    cause: str
    column: int | None
    text: str


NOWHERE = -1


def _starts(start: bytes) -> Callable[[Failure], int | None]:
    """The line begins with these bytes."""
    return lambda failure: NOWHERE if failure.line.startswith(start) else None


def _when(true: Callable[[Failure], bool]) -> Callable[[Failure], int | None]:
    """The character at the failure, if this holds."""
    return lambda failure: failure.at if true(failure) else None


def _text_starts(pattern: str) -> Callable[[Failure], int | None]:
    """The text begins with this pattern, and no part of it was taken for JSON."""
    start = re.compile(pattern)
    return lambda failure: 0 if failure.at == 0 and start.match(failure.text[:_REACH]) else None


# --- the rows -------------------------------------------------------------------------------------------------------


_ODD_NULS = re.compile(rb"\0{0,3}[^\0](?:\0|\0{3})[^\0](?:\0|\Z)")


def _utf16(failure: Failure) -> int | None:
    line = failure.line
    marked = line.startswith((b"\xff\xfe", b"\xfe\xff"))
    return NOWHERE if marked or (b"\0" in line[:4] and _ODD_NULS.match(line[:HEAD])) else None


def has_length(line: bytes) -> bool:
    """Whether a length in binary or decimal stands before the text."""
    framed = frame(line[:HEAD])
    if framed is None:
        return False
    # the length may count the newline, or the newline may have been written after the text
    close = -1 <= framed - len(line) <= 1
    return close or (framed <= len(line) + 1 and b"{" in line[2:5]) or line[:1].isdigit()


def _two_objects(failure: Failure) -> int | None:
    if not (failure.says(EXTRA) and failure.text[:1] in ("{", "[")):
        return None
    behind = failure.text[failure.at : failure.at + _REACH]
    object_at = len(behind) - len(behind.lstrip(_SPACE + ",;"))
    return failure.at + object_at if behind[object_at : object_at + 1] == "{" else None


def _several_lines(failure: Failure) -> int | None:
    text = failure.text
    if (text[:1] in ("}", "]") and failure.at == 0) or (
        text[:1] == '"' and failure.says(EXTRA) and failure.char in (":", ",")
    ):
        return 0  # a line from the middle or the end
    last = text[-1:]
    if text[:1] in ("{", "[") and failure.at >= len(text) and last in ("{", "[", ",", ":"):
        return len(text) - 1
    return None


def _words(failure: Failure) -> int | None:
    if failure.text[:1] in ("{", "[", '"'):
        return None
    # EXTRA: "2 minutes" begins with a number
    return 0 if failure.says(EXTRA) or (failure.at == 0 and failure.says(_VALUE)) else None


def _invisible(failure: Failure) -> int | None:
    char = failure.char
    return failure.at if char > "~" and unicodedata.category(char) in ("Zs", "Zl", "Zp", "Cf") else None


def _quotes(marks: str) -> Callable[[Failure], int | None]:
    """One of these marks is used as a quote, at the failure or just before it."""
    closing = re.compile(rf"[{marks}](?=\s{{0,3}}[:,}}\]])")

    def find(failure: Failure) -> int | None:
        text, at = failure.text, failure.at
        if failure.char and failure.char in marks:
            return at
        if failure.says("Unterminated"):  # {"type":"users<mark>}
            found = closing.search(text, at, at + 4 * _REACH)
            return found.start() if found else None
        if failure.says(_COLON, _COMMA) and text[at - 1 : at] == '"':  # {"type<mark>:"users"}
            start = max(0, at - _REACH)
            for match in closing.finditer(text, start, at):
                if text[match.end() : at].strip(_SPACE + ":,") == '"':
                    return match.start()
        return None

    return find


def _comma_before_end(failure: Failure) -> int | None:
    at = failure.at
    if failure.char == ",":  # from Python 3.13 on the decoder points at the comma
        behind = failure.text[at + 1 : at + 1 + _REACH].lstrip(_SPACE)
        return at if failure.says("Illegal") and behind[:1] in ("}", "]") else None
    before = failure.before()
    return before if failure.char in ("}", "]") and before > 0 and failure.text[before] == "," else None


def _bad_escape(failure: Failure) -> int | None:
    if failure.says("Invalid \\"):
        return max(failure.text.rfind("\\", max(0, failure.at - 8), failure.at + 1), 0)
    return failure.at if failure.char == "\\" else None


def _number(failure: Failure) -> int | None:
    text, at, char = failure.text, failure.at, failure.char
    if failure.says(_VALUE):
        return at if at and char and (char in "+-." or char.isdigit()) else None
    if failure.says(_COMMA):
        return at if text[at - 1].isdigit() and (char.isalnum() or char in "._'") and char else None
    decimal_comma = failure.says(_KEY) and char.isdigit() and text[at - 1] == "," and text[at - 2].isdigit()
    return at - 1 if decimal_comma else None


def _missing_comma(failure: Failure) -> int | None:
    char = failure.char
    return failure.at if failure.says(_COMMA) and char and (char.isalnum() or char in '"{[-_') else None


def _quote_inside(failure: Failure) -> int | None:
    at, char = failure.at, failure.char
    if failure.text[at - 1 : at] != '"' or not char:
        return None
    if failure.says(EXTRA):  # "{"type":"users"}"
        return at - 1 if failure.text[:2] in ('"{', '"[') else None
    if failure.says(_COLON):  # {"type:"users"}
        return at - 1 if char.isalnum() else None
    return at - 1 if failure.says(_COMMA) and char not in '"{[:=;}])' else None


def _unclosed_string(failure: Failure) -> int | None:
    return failure.at if failure.says("Unterminated") else None


def _unclosed_object(failure: Failure) -> int | None:
    return max(len(failure.text) - 1, 0) if failure.at >= len(failure.text) else None


def _separator(failure: Failure) -> bool:
    char = failure.char
    if failure.says(_COLON):
        return bool(char) and char in "=;,-\uff1a\uff1d"
    return bool(char) and failure.says(_COMMA) and char in "=;:|&.\uff0c\u3001\uff1b"


_PYTHON = re.compile(r"(?:True|False|None)\b")
_NO_VALUE = re.compile(r"-?(?:NaN|Infinity|inf|nan)\b|undefined\b|NULL\b|Null\b|nil\b|TRUE\b|FALSE\b")
_WORD = re.compile(r"[^\W\d]|\$")
_NAME = re.compile(r"\w|\$")

CAUSES: tuple[Cause, ...] = (
    # bytes that are not text
    Cause("telnet", lambda f: NOWHERE if negotiation(f.line[:HEAD]) else None,
          "telnet's negotiation came before the text; in PuTTY choose the connection type Raw"),
    Cause("java_object", _starts(JAVA_STREAM),
          "a serialized Java object; send text with a PrintWriter, not an ObjectOutputStream"),
    Cause("utf16", _utf16,
          "UTF-16 or UTF-32 (every other byte is NUL); send UTF-8"),
    Cause("length_prefix", lambda f: NOWHERE if has_length(f.line) else None,
          "a length comes before the text (Java's writeUTF does that); send only the text and a newline"),
    Cause("socks", lambda f: NOWHERE if is_socks(f.line[:HEAD]) else None,
          "the client asks for a SOCKS proxy; this is not a proxy: turn the proxy off in the client"),
    Cause("ssh", _starts(b"SSH-"), "the client speaks SSH; this is not an SSH server: use another port or client"),
    Cause("not_text", _when(lambda f: f.says(NOT_TEXT)),
          "column {column}: {found} is neither UTF-8 nor Windows-1252 text; send UTF-8"),
    # a value that is not an object
    Cause("encoded_twice",
          _when(lambda f: f.says(NOT_OBJECT) and isinstance(f.value, str) and f.value[:1] in ("{", "[")),
          "expected an object, found a string with JSON in it: it was encoded twice"),
    Cause("not_object", _when(lambda f: f.says(NOT_OBJECT)), "expected an object, found {found}"),
    # characters that people don't see or mistake
    Cause("invisible", _invisible, "column {column}: {char} can't be seen here; delete it, or type a plain space"),
    Cause("control", _when(lambda f: f.char not in _SPACE and unicodedata.category(f.char) == "Cc"),
          "column {column}: {char} is a control character (an arrow key?); send the line without it"),
    Cause("curly_quotes", _quotes("\u201c\u201d\u201e\u201f\xab\xbb\u2033\uff02"),
          'column {column}: {char} is not the plain double quote "; turn typographic quotes off'),
    Cause("single_quotes", _quotes("'\u2018\u2019\u201a\u201b\u2039\u203a\u2032\uff07`\xb4"),
          'column {column}: {char} is used as a quote; JSON takes only the double quote "'),
    # the whole line is something else
    Cause("several_lines", _several_lines,
          "column {column}: the object seems to go over several lines; send all of it in one line"),
    Cause("two_objects", _two_objects, "column {column}: a second object begins; end each with a newline"),
    Cause("typed_newline", _when(lambda f: f.says(EXTRA) and f.text.startswith(("\\n", "\\r"), f.at)),
          "column {column}: a backslash and a letter are not a newline here; use printf, or press Enter"),
    Cause("http", _text_starts(r"(?:GET|POST|PUT|HEAD|OPTIONS|PATCH|DELETE) /|HTTP/\d"),
          "a line of HTTP, but not a whole request: use a plain TCP socket"),
    Cause("markup", _text_starts(r"<"), "this looks like XML or HTML, not JSON"),
    Cause("command", _text_starts(r"/"), "a command such as /aide goes into the content of a message"),
    Cause("python_bytes", _text_starts(r"[bB]['\"]"), "this is how Python shows bytes; send the bytes themselves"),
    Cause("pair", _text_starts(r"[\w.%+-]{1,40} ?[=:]"),
          'a field without braces; write {{"name":"value"}}, with double quotes'),
    Cause("words", _words, "not JSON"),
    # inside the object
    Cause("comma_before_end", _comma_before_end, "column {column}: nothing follows this comma; delete it"),
    Cause("bad_escape", _bad_escape,
          'column {column}: a backslash is allowed only in a text, as \\" \\\\ \\/ \\b \\f \\n \\r \\t or \\uXXXX'),
    Cause("number_range", _when(lambda f: f.says(NUMBER)),
          "column {column}: this number is too large; put it in double quotes"),
    Cause("no_value", _when(lambda f: f.says(CONSTANT) or (f.says(_VALUE) and f.word(_NO_VALUE))),
          "column {column}: JSON has no such value; it has true, false and null"),
    Cause("python_value", _when(lambda f: f.says(_VALUE) and f.word(_PYTHON)),
          "column {column}: this is a value of Python; JSON has true, false and null: use json.dumps"),
    Cause("number_form", _number, "column {column}: numbers are written like 12 or -1.5"),
    Cause("separator", _when(_separator), "column {column}: expected {expected}, found {char}"),
    Cause("unquoted_key", _when(lambda f: f.says(_KEY) and f.word(_NAME)),
          "column {column}: a key needs double quotes (a shell drops them without '...' around the line)"),
    Cause("unquoted_value", _when(lambda f: f.says(_VALUE) and f.word(_WORD)),
          "column {column}: a text needs double quotes"),
    Cause("quote_inside", _quote_inside,
          'column {column}: this " ends the text; was one forgotten before it? Inside a text write \\"'),
    Cause("missing_comma", _missing_comma, "column {column}: a comma is missing before this"),
    Cause("unclosed_string", _unclosed_string,
          'column {column}: the text that begins here has no closing "; a line break in it is written \\n'),
    Cause("unclosed_object", _unclosed_object, "column {column}: the line ends before the closing brace or bracket"),
    Cause("after_object", _when(lambda f: f.says(EXTRA)), "column {column}: {char} comes after the end; delete it"),
    Cause("other", _when(lambda f: True), "column {column}: not JSON: expected {expected}, found {char}"),
)
"""Every cause; the first that fits is used. The same table is in docs/PROTOCOLE.md."""


# --- the sentence ---------------------------------------------------------------------------------------------------

_EXPECTED = {_KEY: "a key in double quotes", _COLON: "a colon", _COMMA: "a comma or the closing brace or bracket"}
_NAMES = {
    "\0": "NUL", "\b": "BACKSPACE", "\x0b": "VERTICAL TAB", "\x0c": "FORM FEED", "\x1b": "ESCAPE", "\x7f": "DELETE",
    "\ufeff": "BYTE ORDER MARK",
}


def _shown(char: str) -> str:
    """A printable ASCII character as it is, any other by its number and name."""
    if char.isascii() and char.isprintable():
        return "a space" if char == " " else f"'{char}'" if char != "'" else "the apostrophe '"
    name = _NAMES.get(char, unicodedata.name(char, ""))
    return f"U+{ord(char):04X} {name[:50]}".rstrip()


def _found(failure: Failure) -> str:
    value = failure.value
    if failure.says(NOT_TEXT):
        return f"the byte 0x{value:02x}"
    for kind, name in ((bool, "true or false"), (str, "a string"), (list, "an array"), (type(None), "null")):
        if isinstance(value, kind):
            return name
    return "a number"


def diagnose(failure: Failure, lead: int = 0) -> Diagnosis:
    """Why `failure.line` is not JSON. `lead` is the number of visible characters before its text."""
    cause, index = next((cause, index) for cause in CAUSES if (index := cause.find(failure)) is not None)
    column = None if index == NOWHERE else index + 1 + lead
    char = failure.text[index : index + 1] if column is not None else ""
    expected = next((text for why, text in _EXPECTED.items() if failure.says(why)), "a value")
    text = cause.text.format(
        column=column, char=_shown(char) if char else "the end", expected=expected,
        found=_found(failure),
    )
    return Diagnosis(cause.name, column, text)
