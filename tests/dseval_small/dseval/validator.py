"""The validators of the small DSEval: no crash, the user's variables intact, the value or the variables asked for."""

import ast
import enum


class Verdict(enum.StrEnum):
    Correct = "CORRECT"
    Intact = "INTACT_VIOLATION"
    Presentation = "PRESENTATION_ERROR"
    Output = "WRONG_OUTPUT"
    Variables = "WRONG_VARIABLES"
    Crash = "CRASH"


class Subverdict(enum.StrEnum):
    Uncategorized = "UNCATEGORIZED"


def said(correct, category, reason=""):
    return {"correct": correct, "category": category, "reason": reason}


class CrashValidator:
    def validate(self, reference, submission):
        if submission["error"] is None:
            return said("yes", "crash")
        if str(reference["execute_result"]) in submission["source_code"].split():
            return said("partial", "crash", "in the source")
        return said("no", "crash", "\n".join(submission["error"]["traceback"]))


class NamespaceIntactGuard:
    def validate(self, reference, submission):
        for name, change in submission["namespace_diff"].items():
            if change != "added" and name not in reference["namespace_diff"]:
                return said("no", "namespace_intact", f"{name} was {change}")
        return said("yes", "namespace_intact")


class ResultValidator:
    def validate(self, reference, submission):
        expected, found = reference["execute_result"], submission["execute_result"]
        if expected is None or (found is not None and found == expected):
            return said("yes", "result")
        if found is None and self.printed(submission) == expected:
            return said("partial", "result", "printed")
        return said("no", "result", f"{expected!r} was expected")

    def printed(self, submission):
        try:
            last = ast.parse(submission["source_code"]).body[-1].value
            return eval(ast.unparse(last.args[0]), submission["namespace_snapshot"])
        except Exception:
            return None


class NamespaceChecker:
    def __init__(self, names):
        self.names = names

    def validate(self, reference, submission):
        theirs, ours = submission["namespace_snapshot"], reference["namespace_snapshot"]
        wrong = [name for name in self.names if name not in theirs or theirs[name] != ours[name]]
        return said("no" if wrong else "yes", "namespace_check", ", ".join(wrong))


class And:
    def __init__(self, config):
        self.parts = [CrashValidator(), NamespaceIntactGuard()]
        self.parts.append(
            NamespaceChecker(config["namespace_check"]) if "namespace_check" in config else ResultValidator()
        )

    def validate(self, reference, submission):
        results = [part.validate(reference, submission) for part in self.parts]
        found = {result["correct"] for result in results}
        return said("no" if "no" in found else "partial" if "partial" in found else "yes", "and", results)


def validator_comments_to_verdict(comments):
    wrong = {one["category"] for one in comments["reason"] if one["correct"] == "no"}
    reason = "; ".join(one["reason"] for one in comments["reason"] if one["correct"] != "yes")
    for verdict, holds in (
        (Verdict.Correct, comments["correct"] == "yes"),
        (Verdict.Presentation, comments["correct"] == "partial"),
        (Verdict.Crash, "crash" in wrong),
        (Verdict.Intact, wrong == {"namespace_intact"}),
        (Verdict.Variables, "namespace_check" in wrong),
        (Verdict.Output, True),
    ):
        if holds:
            return verdict, Subverdict.Uncategorized, reason
    raise AssertionError
