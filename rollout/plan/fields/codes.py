"""The codes of mistakes in plans, and how a model reports one at a value."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

CODES: dict[str, str] = {
    "P000": "The file cannot be read.",
    "P001": "The file is not YAML, or holds no plan.",
    "P002": "A key is given twice in one mapping.",
    "P003": "An unknown key: misspelt, or in the wrong place.",
    "P004": "A key is missing.",
    "P005": "A value of the wrong kind: a number instead of text, a duration without its unit.",
    "P006": "A value out of range, not one of the choices, or badly spelt.",
    "P007": "A margin or tolerance of zero, which can never be proven.",
    "P008": "A step that is not higher than the one before: only a rollback lowers the weight.",
    "P009": "A weight that is not a multiple of 0.01 %, the smallest that a split can hold.",
    "P010": "A name that is used twice.",
    "P011": "An interval between looks that is not a multiple of the scrape interval.",
    "P012": "Stable and canary are the same version, or lead to the same place.",
    "P013": "A deadline that is not longer than the warm-up.",
    "P014": "A margin for a histogram, or a tolerance for a rate.",
    "P015": "A history of the pods with too few looks.",
    "P016": "Keys of which exactly one is needed: none or several are given.",
    "P017": "A way to split the traffic that the mesh does not support.",
    "P018": "A time before a switch that warm-up and bake use up.",
    "P019": "A comparison with the time before a switch, although stable still serves requests.",
    "P021": "A policy that the mesh does not support, or without the object that holds it.",
    "P022": "An object to create, with a key too few or too many.",
    "P023": "A label's value that is no regular expression, or looks like one and is none.",
    "P024": "A version that cannot name a destination, where the plan names none.",
    "P025": "A metric template whose name is taken.",
    "P026": "A share beyond an edge that does not fit the metric's values.",
    "P027": "A quantile of a summary, or one bucket of a histogram, in place of a count.",
    "P028": "Nothing but sums, exposures and pairs, of which none shows harm to requests.",
    "P029": "Goals, segments or an experiment that do not fit the rest of the plan.",
    "P030": "A name that no service of the mesh document has.",
    "P031": "Fallbacks that lead back to where they began.",
    "P032": "mTLS with a service outside of the mesh.",
    "P033": "A split that is no plan: it needs two Services of the mesh, whose weights make 100.",
    "P034": "What a target refuses: it cannot be had there, or needs an option.",
    "P035": "Fallbacks that follow on each other without an end in sight.",
}


def fault(code: str, message: str, **context: Any) -> PydanticCustomError:
    """Make a mistake for the value being validated.

    `hint` and `choices` in the context are shown to the user.
    """
    # The message is inserted into a template, so that braces in a plan's text are not parsed.
    return PydanticCustomError(code, "{said}", {"said": message, **context})


def raise_at(title: str, *faults: tuple[tuple[str | int, ...], PydanticCustomError]) -> NoReturn:
    """Raise several mistakes at once, each at its path inside the value being validated."""
    raise ValidationError.from_exception_data(
        title, [InitErrorDetails(type=error, loc=loc, input=None) for loc, error in faults]
    )


def markdown() -> str:
    """The text of `docs/plan-errors.md`."""
    rows = "\n".join(f"| {code} | {meaning} |" for code, meaning in CODES.items())
    return (
        "# Mistakes in plans\n\n"
        "`surefoot check PLAN...` prints every mistake as `file:line:column code message`, and so\n"
        "does `surefoot mesh check FILE...` for [mesh documents](mesh-document.md) (P030 and on).\n"
        "The codes are stable: a code is never given another meaning.\n\n"
        f"| code | meaning |\n|---|---|\n{rows}\n"
    )
