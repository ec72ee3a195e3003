"""Takes secrets out of texts: values of the environment in every usual form, and what looks like a vendor's key.

Every look at a text is a search for a literal, or a pattern that begins with one and is anchored to the left of
a run of letters: the time is linear in the text, whatever it holds.
"""

from __future__ import annotations

import base64
import binascii
import copy
import html
import json
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from codeact_kernel.secret_names import is_secret_variable
from codeact_kernel.secret_shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHORTEST, ALL_FORMS_FROM = 4, 8
"""Characters: shorter values are not looked for; from the second on also encoded, and inside of words."""
TRIVIAL = {
    *("true", "false", "none", "null", "auto", "default", "enabled", "disabled", "basic", "required", "optional"),
    *(
        "postgres",
        "password",
        "passwd",
        "changeme",
        "admin",
        "root",
        "test",
        "guest",
        "secret",
        "example",
        "minio",
    ),
    *("minioadmin", "localhost", "anonymous", "letmein", "token", "user", "mysql", "redis", "rabbitmq", "airflow"),
}
"""Values that everybody knows: they protect nothing, and taking them out would tear ordinary texts apart."""
MOST_LEARNED = 200
"""Keys known by their shape whose encoded forms are looked for from then on."""
LONGEST_ENCODED = 600
LONGEST_WORD = 16
_ONE_WORD = r"(?:[a-z]+|[A-Z]+|[A-Z][a-z]+)(?:[ _.-](?:[a-z]+|[A-Z]+|[A-Z][a-z]+))*"
_OF_PEOPLE = r"(?i)passw|passphrase|secret"
"""A short plain word (`KEYCLOAK_REALM=production`) is a secret only where people choose their own."""
CUT_FROM, SURELY_CUT, PART = 20, 8, 16
"""Characters: of secrets from this length on, so many at the beginning go, too, before an ellipsis; or so many,
whatever follows."""
_MARK = r"\[redacted ([^\[\]\n]{1,120})\]"
"""What stands in the place of a secret. The patterns are texts, compiled when first used, not at `%load_ext`."""
_ENCODED = rf"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{{24,{LONGEST_ENCODED}}}+={{0,2}}(?![A-Za-z0-9+/_-])"
_HEX = rf"(?<![A-Za-z0-9])(?:[0-9a-fA-F]{{2}}){{16,{LONGEST_ENCODED // 2}}}+(?![A-Za-z0-9])"


class Redactor:
    """Takes secrets out of texts and counts what it took, by name and never by value."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Look for the values of the variables named like secrets; None takes this process's environment."""
        self.found: dict[str, int] = {}
        self._environ = environ
        self._watched: dict[str, str] = {}
        self._forms: list[tuple[str, str]] = []
        self._words: list[tuple[str, str, re.Pattern[str]]] = []
        self._starts: frozenset[str] | None = None
        self._learned: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Look for the values that the environment has by now, too; what was looked for stays so."""
        for name, value in sorted((os.environ if self._environ is None else self._environ).items()):
            if is_secret_variable(name):
                self.watch(name, value)

    def watch(self, name: str, value: str) -> None:
        """Take a value out from now on, unless it is too short or too common to be a secret, or a path."""
        value = value.strip()
        if self._watched.get(name) == value or not _is_secret(name, value):
            return
        self._watched[name] = value
        if len(value) < ALL_FORMS_FROM:
            pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(value)}(?![A-Za-z0-9_])")
            self._words.append((name, value, pattern))
        else:
            self._add(name, value)

    def quiet(self) -> Redactor:
        """Return a copy that takes the same secrets out and counts for itself."""
        twin = copy.copy(self)
        twin.found = {}
        return twin

    def text(self, text: str) -> str:
        """Return a text without secrets; `[redacted NAME]` stands in the place of each."""
        for name, form in self._forms:
            count = text.count(form)
            if count:
                self._count(name, count)
                text = text.replace(form, f"[redacted {name}]")
        for name, form in self._forms:
            if len(form) >= CUT_FROM and form[:SURELY_CUT] in text:
                text = self._cut_off(name, form, text)
        for name, literal, pattern in self._words:
            if literal in text:
                text, count = pattern.subn(f"[redacted {name}]", text)
                self._count(name, count)
        for name, literal, pattern, unique in shapes():
            if literal in text:
                if unique:
                    self._learn(name, pattern.findall(text))
                text, count = pattern.subn(f"[redacted {name}]", text)
                self._count(name, count)
        return self._decoded(text)

    def value(self, value: Any, key: str = "") -> Any:
        """Return a deep copy of a JSON value without secrets in its texts and in the names that data gave.

        A text that is stored as a list of lines is looked at as a whole. `keeps` says what stays.
        """
        if isinstance(value, str):
            return value if self.keeps(key, value) else self.text(value)
        if isinstance(value, dict):
            return {self._key(name): self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            if len(value) > 1 and all(isinstance(item, str) for item in value) and value[0].endswith("\n"):
                before = "".join(value)
                after = self.text(before)
                return list(value) if after == before else after.splitlines(keepends=True)
            return [self.value(item, key) for item in value]
        return value

    def keeps(self, key: str, value: str) -> bool:
        """Say whether a text under this key is a word of a format, which stays whatever it looks like."""
        return key == "output_type" and value in {"stream", "display_data", "execute_result", "error"}

    def keeps_key(self, name: str) -> bool:
        """Say whether a key is a word of a format."""
        return bool(re.fullmatch(_MIME, name)) or name in _OUTPUT_KEYS

    def summary(self) -> list[dict[str, Any]]:
        """Return what was taken out so far: `[{"what": name, "count": times}]`."""
        return [{"what": name, "count": count} for name, count in sorted(self.found.items())]

    def held(self, text: str) -> int:
        """Return how many characters at the end of a text may be the beginning of a secret that goes on."""
        if self._starts is None:
            self._starts = frozenset(form[:size] for _, form in self._forms for size in range(1, len(form)))
        longest = min(len(text), max(map(len, self._starts), default=0))
        held = next((size for size in range(longest, 0, -1) if text[-size:] in self._starts), 0)
        key = text.rfind("-----BEGIN")
        if key >= 0 and not re.search(_AFTER_KEY, text[key:]):
            return max(held, len(text) - key)
        last = re.search(_LAST_WORDS, text[-2 * LONGEST_ENCODED :])
        cut = len(text) - max(held, len(last[0]) if last is not None else 0)
        for _, form in self._forms:
            start = text.find(form, max(0, cut - len(form) + 1))
            if 0 <= start < cut:
                cut = start
        return len(text) - cut

    def _key(self, name: str) -> str:
        return name if self.keeps_key(name) else self.text(name)

    def _add(self, name: str, value: str) -> None:
        self._forms += [(name, form) for form in dict.fromkeys(forms(value))]
        self._forms.sort(key=lambda form: len(form[1]), reverse=True)
        self._starts = None

    def _learn(self, name: str, values: Iterable[str]) -> None:
        """Look for the other forms of a key that was known by its shape."""
        for value in values:
            if value not in self._learned and len(self._learned) < MOST_LEARNED and len(value) <= LONGEST_ENCODED:
                self._learned.add(value)
                self._add(name, value)

    def _cut_off(self, name: str, form: str, text: str) -> str:
        """Take out beginnings of a secret: displays show `'sk-proj-aB3d'...` of a long text."""
        kept, at = [], 0
        while (start := text.find(form[:SURELY_CUT], at)) >= 0:
            size = SURELY_CUT
            while size < len(form) and text[start + size : start + size + 1] == form[size]:
                size += 1
            told = size >= PART or _ELLIPSIS.match(text, start + size)
            kept += [text[at:start], f"[redacted {name}]" if told else text[start : start + size]]
            at = start + size
            self._count(name, bool(told))
        return "".join([*kept, text[at:]])

    def _decoded(self, text: str) -> str:
        """Take out runs of base64 or hex that hold a key which is known by its shape."""

        def hidden(found: re.Match[str]) -> str:
            inside = _decode(found[0])
            name = next(
                (name for name, literal, shape, _ in shapes() if literal in inside and shape.search(inside)), ""
            )
            if not name:
                return found[0]
            self._count(name, 1)
            return f"[redacted {name}]"

        return re.sub(_HEX, hidden, re.sub(_ENCODED, hidden, text))

    def _count(self, name: str, count: int) -> None:
        if count:
            self.found[name] = self.found.get(name, 0) + count


_MIME = r"[\w.+-]+/[\w.+-]+"
_OUTPUT_KEYS = {
    "output_type",
    "data",
    "metadata",
    "text",
    "name",
    "ename",
    "evalue",
    "traceback",
    "execution_count",
}
_LAST_WORDS = r"(?:\S*(?:[Bb]earer|[Bb]asic)\s)?\S*\Z"
"""A word that is not over yet may be encoded; what follows these two is a credential."""
_AFTER_KEY = r"PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,]*[^A-Za-z0-9+/=\s\\:,]"


@cache
def shapes() -> tuple[tuple[str, str, re.Pattern[str], bool], ...]:
    """Return the shapes of secrets: name, a literal each holds, its pattern, whether it is a key and nothing else.

    Compiled at the first use, which is not when the extension is loaded.
    """
    return tuple((name, literal, re.compile(pattern), unique) for name, literal, pattern, unique in SHAPES)


_ELLIPSIS = re.compile(r"['\"]?\s?(?:\.\.\.|\u2026|\[\.\.\.\])")


def forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret of at least 8 characters may stand in a text.

    Plain, in JSON, HTML and URLs, in hex, and in base64 wherever it begins in what was encoded.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    for url in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield url
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), url)
    yield "".join(f"%{byte:02X}" for byte in raw)
    yield raw.hex()
    yield raw.hex().upper()
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        # The letters of base64 that depend on the secret alone, when `shift` bytes (mod 3) stand before it.
        whole = base64.b64encode(b"\0" * shift + raw).decode()[first : 8 * (shift + len(raw)) // 6]
        if len(whole) >= ALL_FORMS_FROM:
            yield whole
            yield whole.replace("+", "-").replace("/", "_")


def redactions(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return what was taken out of texts, by the marks that stand in them; see `Redactor.summary`."""
    found: dict[str, int] = {}
    for text in texts:
        for name in re.findall(_MARK, text):
            found[name] = found.get(name, 0) + 1
    return [{"what": name, "count": count} for name, count in sorted(found.items())]


def _is_secret(name: str, value: str) -> bool:
    """Say whether the value of a variable that is named like a secret can be one."""
    if len(value) < SHORTEST or value.lower() in TRIVIAL or value in f"[redacted {name}]":
        return False
    if len(value) <= LONGEST_WORD and re.fullmatch(_ONE_WORD, value) and not re.search(_OF_PEOPLE, name):
        return False
    if len(value) < ALL_FORMS_FROM:
        return not (value.isdigit() or (value.isascii() and value.isalpha() and value.islower()))
    return not (value.startswith(("/", "~/")) and os.path.exists(os.path.expanduser(value)))  # noqa: PTH110, PTH111


def _decode(run: str) -> str:
    """Return what a run of hex or base64 says, as Latin-1; "" where it is neither."""
    try:
        if re.fullmatch(_HEX, run):
            return bytes.fromhex(run).decode("latin-1")
        plain = run.rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
