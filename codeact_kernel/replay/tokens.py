"""What changes between two honest runs, as patterns: the volatile part of each is the group `x`.

Patterns must stay linear: no repetition inside a repetition without a bound, and each begins with something rare
or is tried only where one of its `gate` texts occurs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["constant", "alias", "clock", "memory", "float"]
"""constant: any value will do. alias: the same value must stand for the same value. clock: a moment, which must
lie near the run. memory: within a factor of two. float: equal within the tolerance."""


@dataclass(frozen=True, slots=True)
class Token:
    """One rule: `name` is what a report calls it; `gate`: texts of which one must occur, () for always."""

    name: str
    kind: Kind
    pattern: re.Pattern[str]
    gate: tuple[str, ...] = ()

    def applies(self, text: str) -> bool:
        """Whether the pattern may occur in a text."""
        return not self.gate or any(word in text for word in self.gate)


MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
NUMBER = r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
SPAN = (
    r"(?:ns|[uµμ]s|ms|msecs?|nanoseconds?|microseconds?|milliseconds?|s|secs?|seconds?"
    r"|mins?|minutes?|h|hrs?|hours?)"
)
ZONE = r"(?: ?Z\b| ?[+-]\d\d:?\d\d\b| (?:UTC|GMT)\b)?"
CLOCK = r"\d\d?:\d\d:\d\d(?:[.,]\d{1,9})?"
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
PLAIN_SPEED = r"(?:[cdkm]?m|km|rad|deg|[km]?g|[mc]?l|L|m3|ft|mi|k?mol|N)/"
"""Quantities per second that are data rather than the pace of a run."""
_TEMPORARY = r"(?:/tmp|/var/tmp|/var/folders(?:/[\w+-]{1,40}){1,3}|[Tt]emp)[/\\]"
_TEMPORARIES = ("/tmp/", "/var/", "emp\\")  # noqa: S108 - names to look for
FLOAT = re.compile(r"(?<![\w.])([-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+)(?!\w|\.\d)")


def _token(name: str, kind: Kind, pattern: str, *gate: str, flags: int = 0) -> Token:
    return Token(name, kind, re.compile(pattern, flags), gate)


PLACES = (
    _token(
        "kernel cell path",
        "constant",
        r"(?P<x>(?:[A-Za-z]:)?(?:[/\\][\w.+~-]{1,80}){0,10}[/\\]ipykernel_\d{1,9}[/\\]\d{1,20}\.py)",
        "ipykernel_",
    ),
    _token("kernel cell path", "constant", r"<ipython-input-(?P<x>\d{1,9}-[0-9a-f]{6,40})>", "<ipython-input-"),
    _token("execution count", "constant", r"\bIn ?\[(?P<x>\d{1,9})\]", "In [", "In["),
    _token(
        "temporary path",
        "alias",
        _TEMPORARY + r"(?P<x>tmp[a-z0-9_]{8})(?![a-z0-9_])",
        *_TEMPORARIES,
    ),
    _token(
        "temporary path",
        "alias",
        _TEMPORARY + r"[\w.]{0,40}[-._]?(?P<x>(?=[a-z_]{0,7}\d)[a-z0-9_]{8})(?=[/\\'\"\s)>:,\].]|$)",
        *_TEMPORARIES,
    ),
)
IDENTITIES = (
    _token("uuid", "alias", rf"(?<![0-9A-Za-z])(?P<x>{UUID})(?![0-9A-Za-z])", "-"),
    _token(
        "identifier",
        "alias",
        r"\b(?:display_id|model_id|comm_id|msg_id|session_id|run_id|trace_id)['\"]?\s{0,2}[=:]\s{0,2}['\"]?"
        r"(?P<x>[0-9a-f]{16,40})\b",
        "_id",
    ),
    _token("styler id", "alias", r"\bT_(?P<x>[0-9a-f]{5,40})(?![0-9a-zA-Z])", "T_"),
    _token("address", "alias", r"\bat (?P<x>0x[0-9a-fA-F]{4,16})\b", "at 0x"),
    _token("address", "alias", r"(?<!\w)(?P<x>0x[0-9a-fA-F]{9,16})\b", "0x"),
    _token("thread or object number", "alias", r"(?<![\w.])(?P<x>1(?:3[89]|40)\d{12})(?![\w.])", "13", "140"),
    _token(
        "thread or task name", "alias", r"\b(?:Thread|Task|Dummy|Process|ForkPoolWorker)-(?P<x>\d{1,9})\b", "-"
    ),
    _token("thread or task name", "alias", r"\bThreadPoolExecutor-(?P<x>\d{1,9})_", "ThreadPoolExecutor-"),
    _token(
        "process number",
        "alias",
        r"(?i)\b(?:p?pid|process(?:[ _]id)?)\b['\"]?\s{0,2}[=:#]?\s{0,3}(?P<x>\d{2,10})\b",
        *("pid", "PID", "Pid", "rocess", "PROCESS"),
    ),
    _token(
        "port",
        "alias",
        r"(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\]|::1?)(?::|', )(?P<x>3[3-9]\d{3}|[456]\d{4})\b",
        *("127.", "localhost", "0.0.", "::"),
    ),
    _token("port", "alias", r"(?i)\bport['\"]?\s{0,2}[=:]?\s{0,2}(?P<x>3[3-9]\d{3}|[456]\d{4})\b", "ort", "ORT"),
    _token("file number", "constant", r"\bsocket fd=(?P<x>\d{1,7})\b", "socket fd="),
)
BARS = (
    _token("progress bar", "constant", r"\d%\|(?P<x>[^|\n]{0,300})\|", "%|"),
    _token(
        "pace",
        "constant",
        r"\[(?P<x>\d+:\d\d(?::\d\d)?(?:<(?:\d+:\d\d(?::\d\d)?|\?))?, {1,3}(?:\?|[\d.]{1,12}[kMGTP]?) ?"
        r"[^\W\d]{0,20}/[^\W\d]{1,20})(?=[\],])",
        ":",
    ),
    _token("pace", "constant", r"\[(?P<x>\d+:\d\d(?::\d\d)?<(?:\d+:\d\d(?::\d\d)?|\?))(?=[\],])", "<"),
    _token("duration", "constant", r"\d% {1,8}(?P<x>-?-?[\d-]{1,3}:[\d-]{2}:[\d-]{2})(?!\d)", "%"),
    _token(
        "pace",
        "constant",
        rf"(?<![\w.])(?!{NUMBER} ?{PLAIN_SPEED})"
        rf"(?P<x>(?:{NUMBER}|\?) ?[kMGT]?i?[A-Za-z]{{0,16}}/(?:s|secs?|seconds?))\b",
        "/s",
    ),
    _token(
        "pace",
        "constant",
        rf"(?<![\w.])(?P<x>{NUMBER} ?(?:s|ms|[uµμ]s|ns|min)/[a-z]{{2,12}})\b",
        "s/",
        "min/",
    ),
)
DURATIONS = (
    _token("duration", "constant", r"(?<![\w.])(?P<x>\d+(?:\.\d+)? ?(?:ns|[uµμ]s))(?![A-Za-z])", "s"),
    _token(
        "duration", "constant", r"(?<![\w.])(?P<x>\d+\.\d+ ?(?:ms|msecs?|milliseconds?))(?![A-Za-z])", "ms", "mill"
    ),
    _token(
        "duration",
        "constant",
        r"(?<![\w.])(?P<x>\d+ ?ms)(?=[ ,]{1,2}(?:sys|total|±|per loop)|\)?\s*$| \d| \+- )",
        "ms",
        flags=re.MULTILINE,
    ),
    _token(
        "duration",
        "constant",
        r"(?<![\w.])(?P<x>(?:\d+ ?h(?:ours?)? ?)?(?:\d+ ?min(?:utes?)? ?)?\d+\.\d+ ?(?:s|secs?|seconds?))\b(?!/)",
        "s",
    ),
    _token("duration", "constant", r"(?<![\w.])(?P<x>\d+ ?min \d+(?:\.\d+)? ?s)\b", "min"),
    _token(
        "duration",
        "constant",
        rf"(?i)\b(?:took|elapsed|run ?time|wall[ _]?time|cpu[ _]?times?|duration|latency|eta|remaining"
        rf"|(?:finished|done|completed?|ran|trained|loaded|built|processed|ready) (?:[\w ]{{0,20}} )?in|after"
        rf"|(?:total|execution|training|fit|processing|query|spent)[ _]times?|user|sys|total:?)\b"
        rf"[^\n\d]{{0,20}}?(?P<x>{NUMBER} ?{SPAN})\b(?!/)",
        *("s", "m", "h", "S"),
    ),
    _token(
        "duration",
        "constant",
        rf"(?i)\b(?:took|elapsed|run ?time|wall[ _]?time|cpu[ _]?times?|duration|latency|eta|time taken"
        rf"|(?:total|execution|training|fit|processing|query|spent)[ _]times?)\b"
        rf"[^\n\d]{{0,20}}?(?P<x>\d+\.\d+(?:e-?\d+)?|{CLOCK}|\d+:\d\d)(?![\d.])",
        *("e", "E", "took", "ur"),
    ),
    _token(
        "duration",
        "constant",
        r"(?i)(?:time|secs?|seconds|elapsed|runtime|duration|latency|per_sec(?:ond)?|throughput)"
        r"(?:_(?:s|ms|us|ns|sec|secs|seconds))?['\"]?\s{0,4}[=:]\s{0,4}(?P<x>\d+\.\d+(?:e-?\d+)?)(?![\d.])",
        ":",
        "=",
    ),
    _token("duration", "constant", r"(?<![\d:.,])(?<!days, )(?<!day, )(?P<x>\d+:\d\d:\d\d\.\d{3,9})\b", ":"),
    _token("duration", "constant", r"\b0 days (?P<x>\d\d:\d\d:\d\d\.\d{3,9})\b", "0 days "),
    _token("loops", "constant", r"(?P<x>\b\d[\d,]{0,15} loops?)(?= each)", " each"),
    _token(
        "duration", "constant", r"(?m)^ +\d+(?:/\d+)?(?P<x>(?: +\d+\.\d{3}){4})(?= )", "cumtime", "function calls"
    ),
)
CLOCKS = (
    _token(
        "moment",
        "clock",
        r"\bdatetime\.(?:datetime|date)\((?P<x>\d{4}(?:, \d{1,6}){2,6})",
        "datetime.date",
    ),
    _token(
        "moment",
        "clock",
        r"(?<![\w.-])(?P<x>\d{4}([-/])\d\d\2\d\d"
        rf"(?:[T ]{{1,2}}\d\d:\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?{ZONE})?)(?![\w-])",
        *("-", "/"),
    ),
    _token(
        "moment",
        "clock",
        rf"\b(?P<x>(?:{DAY}[a-z]{{0,6}},? )?{MONTH}[a-z]{{0,6}} {{1,2}}\d\d?(?:,? \d{{4}}(?!:))?"
        rf"(?:,? {{1,2}}\d\d?:\d\d(?::\d\d)?(?: ?[AP]M)?(?: [A-Z]{{2,5}})?(?: \d{{4}})?)?)\b",
        *MONTHS,
    ),
    _token(
        "moment",
        "clock",
        rf"(?<![\w.])(?P<x>(?:{DAY}[a-z]{{0,6}},? )?\d\d?[ /-]{MONTH}[a-z]{{0,6}}[ /-]\d{{4}}"
        rf"(?:[:,]? ?\d\d?:\d\d(?::\d\d)?(?: ?[AP]M)?{ZONE})?)(?![\w:])",
        *MONTHS,
    ),
    _token("moment", "clock", r"(?<!\d)(?P<x>20\d{6}(?:[_T-]?\d{6}(?:\.\d{1,6})?)?Z?)(?![\d])", "20"),
    _token("moment", "clock", r"(?<![\w.])(?P<x>1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?)(?![\w.])", "1"),
    _token("moment", "clock", rf"(?<![\w:.])(?P<x>{CLOCK}(?: ?[AP]M)?)(?![\w:])", ":"),
)
SIZES = (
    _token(
        "memory",
        "memory",
        r"(?i)\b(?:mem(?:ory)?|rss|vms|heap|maxrss)\b[^\n\d]{0,30}?"
        r"(?P<x>\d[\d,]{0,20}(?:\.\d+)?) ?\+? ?(?:[kmgt]i?b|bytes|b)\b",
        *("em", "EM", "rss", "RSS", "vms", "VMS", "eap", "HEAP"),
    ),
)
TOKENS = PLACES + IDENTITIES + BARS + DURATIONS + CLOCKS + SIZES
"""In the order in which they are tried; floats come last, by themselves."""
RARELY_PRINTED = re.compile(
    r"(?m)^The slowest run took [\d.]{1,20} times longer than the fastest\. This could mean that an intermediate "
    r"result is being cached\.? *\n?"
)
"""%timeit says this only when its runs scatter."""
