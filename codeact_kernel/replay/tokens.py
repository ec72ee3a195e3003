"""What changes between two honest runs, as patterns.

Speed is part of their design, since a text is searched by all of them: MARKED ones are tried only where a rare
piece of text (their gate) occurs, everything that begins with a digit is one pattern, NUMBERS, and plain floats
come last. No pattern repeats a repetition without a bound; numbers are taken possessively.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["constant", "alias", "temporary", "clock", "memory", "float"]
"""constant: any value will do. alias: the same value must stand for the same value. temporary: an alias, and of
two that differ one must look random. clock: a moment, which must lie near the run. memory: within a factor of
two. float: equal within the tolerance."""


@dataclass(frozen=True, slots=True)
class Token:
    """One rule: `name` is what a report calls it, the group `x` of its pattern what is taken away.

    `gate`: one of these texts must occur, and what `needs` finds.
    """

    name: str
    kind: Kind
    pattern: re.Pattern[str]
    gate: tuple[str, ...]
    needs: re.Pattern[str] | None = None

    def applies(self, text: str) -> bool:
        """Whether the pattern may occur in a text."""
        return any(word in text for word in self.gate) and (self.needs is None or bool(self.needs.search(text)))


def _constant(name: str, pattern: str, *gate: str) -> Token:
    return Token(name, "constant", re.compile(pattern), gate)


def _alias(name: str, pattern: str, *gate: str) -> Token:
    return Token(name, "alias", re.compile(pattern), gate)


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?:{'|'.join(MONTHS)})"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?"
_ZONE = r"(?: ?Z\b| ?[+-]\d\d:?\d\d\b| (?:UTC|GMT)\b)?"
_UUID = "-".join(rf"[0-9a-fA-F]{{{size}}}" for size in (8, 4, 4, 4, 12))
_TEMPORARY = r"(?:/tmp|/var/tmp|/var/folders(?:/[\w+-]{1,40}){1,3}|[Tt]emp)[/\\]"
_TEMPORARIES = ("/tmp/", "/var/", "emp\\")  # noqa: S108 - names to look for
_EPHEMERAL = r"(?P<x>3[3-9]\d{3}|[456]\d{4})\b"

PLACES = (
    _constant(
        "kernel cell path",
        r"(?P<x>(?:[A-Za-z]:)?(?:[/\\][\w.+~-]{1,80}){0,10}[/\\]ipykernel_\d{1,9}[/\\]\d{1,20}\.py)",
        "ipykernel_",
    ),
    _constant("kernel cell path", r"<ipython-input-(?P<x>\d{1,9}-[0-9a-f]{6,40})>", "<ipython-input-"),
    _constant("execution count", r"\bIn ?\[(?P<x>\d{1,9})\]", "In [", "In["),
    _alias("temporary path", _TEMPORARY + r"(?P<x>tmp[a-z0-9_]{8})(?![a-z0-9_])", *_TEMPORARIES),
    Token(
        "temporary name",
        "temporary",
        re.compile(_TEMPORARY + r"(?:[\w.-]{0,40}?[-._])?(?P<x>(?=\d*[a-z_])[a-z0-9_]{8})(?=[/\\'\"\s)>:,\].]|$)"),
        _TEMPORARIES,
    ),
)
IDENTITIES = (
    Token(
        "uuid",
        "alias",
        re.compile(rf"(?<![0-9A-Za-z])(?P<x>{_UUID})(?![0-9A-Za-z])"),
        ("-",),
        re.compile("-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-"),
    ),
    Token(  # uuid4().hex and uuid1().hex; one digest of 64 looks like that
        "uuid",
        "alias",
        re.compile(r"(?<![0-9A-Za-z])(?P<x>[0-9a-f]{12}[14][0-9a-f]{3}[89ab][0-9a-f]{15})(?![0-9A-Za-z])"),
        ("4", "1"),
        re.compile(r"[0-9a-f]{32}"),
    ),
    _alias(
        "identifier",
        r"\b(?:display_id|model_id|comm_id|msg_id|session_id|run_id|trace_id)['\"]?\s{0,2}[=:]\s{0,2}['\"]?"
        r"(?P<x>[0-9a-f]{16,40})\b",
        *("play_id", "odel_id", "omm_id", "msg_id", "sion_id", "run_id", "race_id"),
    ),
    _alias("styler id", r"\bT_(?P<x>[0-9a-f]{5,40})(?![0-9a-zA-Z])", "T_"),
    _alias("address", r"\bat (?P<x>0x[0-9a-fA-F]{4,16})\b", "at 0x"),
    _alias("address", r"0x(?<!\w0x)(?P<x>[0-9a-fA-F]{9,16})\b", "0x"),
    _alias(
        "thread or task name",
        r"\b(?:Thread|Task|Dummy|Process|ForkPoolWorker|ThreadPoolExecutor)-(?P<x>\d{1,9})(?![\d-])",
        *("Thread-", "Task-", "Dummy-", "Process-", "Worker-", "Executor-"),
    ),
    _alias(
        "process number",
        r"(?i)\b(?:p?pid|process(?:[ _]id)?)\b['\"]?\s{0,2}[=:#]?\s{0,3}(?P<x>\d{2,10})\b",
        *("pid", "PID", "Pid", "rocess", "PROCESS"),
    ),
    _alias(
        "port",
        r"(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\]|::1?)(?::|', )" + _EPHEMERAL,
        *("127.", "localhost", "0.0.", "::"),
    ),
    _alias("port", r"(?i)\bport['\"]?\s{0,2}[=:]?\s{0,2}" + _EPHEMERAL, "port", "Port", "PORT"),
    _alias(
        "process number",
        r"(?i)\b(?:worker|proc|process|pool|child)[-_](?P<x>\d{3,8})\b",
        *("worker", "Worker", "proc", "Proc", "pool", "Pool", "child"),
    ),
    _alias("element id", r"\bsk-(?:container|estimator)-id-(?P<x>\d{1,6})\b", "-id-"),
    _constant("file number", r"\bst_(?:ino|dev)=(?P<x>\d{1,20})", "st_ino="),
    _constant("memory", r"\bincrement: (?P<x>-?\d+\.\d+)(?= [KMG]i?B)", "increment: "),
    _constant("file number", r"\bsocket fd=(?P<x>\d{1,7})\b", "socket fd="),
)
BARS = (
    _constant("progress bar", r"\d%\|(?P<x>[^|\n]{0,300})\|", "%|"),
    _constant(
        "pace",
        r"\[(?P<x>\d{1,3}:\d\d(?::\d\d)?(?:<(?:\d{1,3}:\d\d(?::\d\d)?|\?))?, {1,3}(?:\?|[\d.]{1,12}[kMGTP]?) ?"
        r"[^\W\d]{0,20}/[^\W\d]{1,20})(?=[\],])",
        "/",
    ),
    _constant("pace", r"\[(?P<x>\d{1,3}:\d\d(?::\d\d)?<(?:\d{1,3}:\d\d(?::\d\d)?|\?))(?=[\],])", "<"),
    _constant("duration", r"% {1,8}(?P<x>-?-?[\d-]{1,3}:[\d-]{2}:[\d-]{2})(?!\d)", "% "),
    _constant("duration", r"\b(?P<x>\d+(?::\d\d)*s) (?=\d+(?:\.\d+)?[mµu]?s/)", "s/step", "s/epoch"),
    _constant("duration", r"(?m)^ +\d+(?:/\d+)?(?P<x>(?: +\d+\.\d{3}){4})(?= )", "function calls"),
)
MOMENTS = (
    Token(
        "moment",
        "clock",
        re.compile(r"\bdatetime\.(?:datetime|date)\((?P<x>\d{4}(?:, \d{1,6}){2,6})"),
        ("datetime.date",),
    ),
    Token(
        "moment",
        "clock",
        re.compile(
            rf"\b(?P<x>{_DAY}{_MONTH}[a-z]{{0,6}} {{1,2}}\d\d?(?:,? \d{{4}}(?!:))?"
            rf"(?:,? {{1,2}}\d\d?:\d\d(?::\d\d)?(?: ?[AP]M)?(?: [A-Z]{{2,5}})?(?: \d{{4}})?)?)\b"
        ),
        MONTHS,
    ),
    Token(
        "moment",
        "clock",
        re.compile(
            rf"(?<![\w.])(?P<x>{_DAY}\d\d?[ /-]{_MONTH}[a-z]{{0,6}}[ /-]\d{{4}}"
            rf"(?:[:,]? ?\d\d?:\d\d(?::\d\d)?(?: ?[AP]M)?{_ZONE})?)(?![\w:])"
        ),
        MONTHS,
    ),
)
_GAP = (
    r"(?:[ _]?(?:time|is|was|of|about|only|approx(?:imately|\.)?|in|\((?:s|ms|secs?|seconds|min|minutes)\))){0,3}"
    r"[ \t:=~>|'\"]{0,8}"
)
"""What may stand between a word such as "elapsed" and its bare number."""
_TIMED = (
    r"(?<!<)(?:took|elapsed|run[ _]?time"
    r"|wall[ _]?(?:clock[ _]?)?time|cpu[ _]?times?|duration|latency|eta|time taken"
    r"|(?:total|execution|exec|training|train|fit|fitting|processing|query|response|inference|spent|load)"
    r"[ _]?times?)"
)
KEYED = Token(
    "duration",
    "constant",
    re.compile(
        r"(?i)(?:(?:time|secs?|seconds?|elapsed|duration|latency|throughput)"
        r"(?:_(?:s|ms|us|ns|sec|secs|seconds))?['\"]?\s{0,4}[=:]\s{0,4}"
        rf"|(?<![^\W_]){_TIMED}\b{_GAP})(?P<x>\d+\.\d++(?:e-?\d++)?+)"
        r"(?![\d.]|:\d| ?(?:[num\u00b5\u03bc]?s|secs?|seconds?|min)\b)"
    ),
    (
        *(
            "time",
            "sec",
            "elapsed",
            "duration",
            "latency",
            "throughput",
            "took",
            "eta",
            "run",
            "wall",
            "cpu",
            "total",
        ),
        *("exec", "train", "fit", "processing", "query", "response", "inference", "spent", "load"),
    ),
)
"""A float that a name before it makes a duration; it begins with a word of its gate, in letters of either case."""
MARKED = (*PLACES, *IDENTITIES, *BARS, *MOMENTS)

_SPAN = r"(?:msecs?|milliseconds?|ms|secs?|seconds?|s|mins?|minutes?|hours?|hrs?|h)"
_N = r"\d*+(?:,\d{3})*+(?:\.\d++)?+(?:[eE][-+]?\d++)?+"
_PLAIN_SPEED = r"(?:[cdkm]?m|km|rad|deg|[km]?g|[mc]?l|L|m3|ft|mi|k?mol|N)/"
"""Quantities per second that are data rather than the pace of a run."""
NUMBERS = re.compile(
    # one digit that no letter, digit or point stands before, then what the number may be; the last group tells
    r"\d(?<![A-Za-z0-9.]\d)(?=\d{7}|[\d.,]{0,40}+(?:[eE]-\d++)?+ ?\+? ?[A-Za-zµμ:/-])(?:"
    rf"(?P<date>\d{{3}}([-/])\d\d\2\d\d(?:[T ]{{1,2}}\d\d:\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?{_ZONE})?(?![\w-]))"
    r"|(?P<precise>\d{0,2}:\d\d:\d\d\.\d{3,9}(?![\w:]))"
    r"|(?P<clock>\d?:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?[AP]M)?(?![\w:]))"
    r"|(?P<minutes>\d?:\d\d(?:\.\d{1,6})?(?: ?[AP]M)?(?![\w:]))"
    r"|(?P<compact>(?<=2)0\d{6}(?:[_T-]?\d{6}(?:\.\d{1,6})?)?Z?(?!\d))"
    r"|(?P<epoch>(?<=1)[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?(?!\w|\.\d))"
    r"|(?P<thread>(?:(?<=1)(?:3[89]|40)\d{12}|(?<=9)[345]\d{12})(?!\w|\.\d))"
    rf"|(?P<pace>(?!{_N} ?{_PLAIN_SPEED}){_N} ?[kMGT]?i?[A-Za-z]{{0,16}}/(?:seconds?|secs?|s)\b)"
    rf"|(?P<each>{_N} ?(?:ms|[uµμ]s|ns|s|min)/[a-z]{{2,12}}\b)"
    r"|(?P<tiny>\d*+(?:\.\d++)?+ ?(?:ns|[uµμ]s)(?![A-Za-z]))"
    r"|(?P<loop>\d*+(?:\.\d++)?+ ?(?:ms|s|min)(?= (?:±|\+-|per loop)))"
    r"|(?P<seconds>\d*+\.\d++(?:e-\d++)?+ ?(?:(?:CPU|cpu|wall|real) )?"
    r"(?:msecs?|milliseconds?|ms|secs?|seconds?|s)(?![A-Za-z/]))"
    r"|(?P<compound>\d*+(?:h \d++min \d++|min \d++(?:\.\d++)?)s\b)"
    r"|(?P<spans>\d*+ ?(?:h(?:ours?)?|min(?:utes?)?),? \d++(?:\.\d++)? ?(?:min|s)(?:utes?|ecs?|econds?)?\b)"
    r"|(?P<loops>[\d,]{0,15} loops?(?= each))"
    rf"|(?P<span>{_N} ?{_SPAN}(?![A-Za-z/]))"
    r"|(?P<size>[\d,]{0,20}+(?:\.\d++)?+ ?\+? ?(?:[kKmMgGtT]i?[bB]|bytes|B)\b)"
    r")"
)
NUMBER_KINDS: dict[str, tuple[str, Kind]] = {
    "date": ("moment", "clock"),
    "precise": ("duration", "constant"),
    "clock": ("moment", "clock"),
    "minutes": ("moment", "clock"),
    "compact": ("moment", "clock"),
    "epoch": ("moment", "clock"),
    "thread": ("thread or object number", "alias"),
    "pace": ("pace", "constant"),
    "each": ("pace", "constant"),
    "tiny": ("duration", "constant"),
    "loop": ("duration", "constant"),
    "seconds": ("duration", "constant"),
    "compound": ("duration", "constant"),
    "spans": ("duration", "constant"),
    "loops": ("loops", "constant"),
    "span": ("duration", "constant"),
    "size": ("memory", "memory"),
}
_SPAN_BEFORE = re.compile(
    rf"(?i)\b(?:{_TIMED}|remaining|after|user|sys|, total|\+-|waited|slept"
    r"|(?:finished|done|completed?|ran|trained|loaded|built|processed|ready|executed|passed|failed)"
    r" (?:[\w ]{0,20} )?in)(?!\w)[^\n\d,;<]{0,20}$"
)
BEFORE: dict[str, re.Pattern[str]] = {
    "span": _SPAN_BEFORE,
    "spans": _SPAN_BEFORE,
    "size": re.compile(r"(?i)\b(?<!<)(?:mem(?:ory)?|rss|vms|heap|maxrss)\b[^\n\d,;<]{0,30}$"),
}
"""What must stand before a number of that group; without it the number is data."""
UNIT_LETTERS = "BbkKMmGgTtisyet +"
CONTEXT = 64
"""Characters before a number that are looked at for that."""
ELAPSED = re.compile(rf"(?i)\b(?:{_TIMED}|remaining)\b{_GAP}$")
"""A clock after these words is a duration rather than a moment."""
DAYS, NO_DAYS = ("day, ", "days, ", "days "), (" 0 days ", "'0 days ", "(0 days ")
"""After these, hours and minutes belong to a time span that is data; not so after the others."""
_TIMING = ("took", "elapsed", "time", "duration", "latency", "eta", "remaining")
_SPAN_WORDS = (*_TIMING, "after", "user", "sys", "total", "+-", "waited", "slept", " in")
WORDS: dict[str, tuple[str, ...]] = {
    "clock": _TIMING,
    "span": _SPAN_WORDS,
    "spans": _SPAN_WORDS,
    "size": ("mem", "rss", "vms", "heap"),
}
"""Of each group: one of these must occur somewhere in the text, in small letters."""
FLOAT = re.compile(
    r"([-+\d](?<![\w.][-+\d])(?:(?<=\d)|(?=\.?\d))\d*+(?:\.\d*+(?:[eE][-+]?\d++)?+|[eE][-+]?\d++)(?!\w|\.\d))"
)
EXPONENT = re.compile(r"\d[eE][-+]?\d")
RARELY_PRINTED = re.compile(
    r"The slowest run took [\d.]{1,20} times longer than the fastest\. This could mean that an intermediate "
    r"result is being cached\.? *\n?"
)
"""%timeit says this only when its runs scatter."""
