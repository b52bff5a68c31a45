"""Templates of what answers are worth: judges' verdicts and scores, and summaries.

No convention names metrics of these: the names are ours, to be exported by judges and services.
"""

from __future__ import annotations

from rollout.plan.model.shipped.forms import Spec, count_apart, count_bad, read_values

_JUDGED = {"service": "service", "version": "model_version"}

_SCORE_NEEDS = (
    "Edges a tolerance apart where scores lie. Several scores under one name are told apart by "
    "`labels.where`, for example `{label: gen_ai_evaluation_name, value: faithfulness}`."
)
_COVERAGE_NEEDS = (
    "A verdict that does not come is in no other guardrail: keep this one beside those on "
    "verdicts and scores, or a canary whose answers break the judge looks like one that is seldom "
    "judged."
)
_FINDING_NEEDS = (
    "Each evaluated summary counts at most once in `summary_findings_total`, however many findings "
    "it has. Where judges and clinicians both evaluate, choose one by `labels.where` (`source`)."
)
_REVIEW_NEEDS = (
    "Reviews come late, and only of summaries that somebody opens: set `lag`, and compare no "
    "versions that different people review."
)


def _count_findings(description: str, **kind: str) -> Spec:
    where = {"severity": "major", **kind}
    return {
        "description": description,
        "needs": _FINDING_NEEDS,
        "counter": {
            "bad": {"series": "summary_findings_total", "where": where},
            "total": {"series": "summaries_evaluated_total"},
            "unit": "summaries",
            "reporter": "judge",
        },
        "labels": _JUDGED,
    }


ANSWERS: dict[str, Spec] = {
    "quality/score": read_values(
        "Scores of answers, by a judge.",
        "gen_ai_evaluation_score",
        _JUDGED,
        _SCORE_NEEDS,
        unit="score",
        worse="low",
        reporter="judge",
    ),
    "quality/verdict": count_bad(
        "Answers that a judge fails.",
        "gen_ai_evaluation_verdicts_total",
        {"gen_ai_evaluation_score_label": "fail"},
        _JUDGED,
        unit="summaries",
        reporter="judge",
    ),
    "quality/coverage": count_apart(
        "Answers that a judge was asked about and gave no verdict on.",
        ("gen_ai_evaluation_errors_total", "gen_ai_evaluation_requested_total"),
        _JUDGED,
        _COVERAGE_NEEDS,
        unit="summaries",
        reporter="judge",
    ),
    "summary/invalid": count_apart(
        "Summaries that are empty, refused, in another language, or break their schema.",
        ("summary_output_invalid_total", "summary_outputs_total"),
        _JUDGED,
        "Each summary counts at most once in `summary_output_invalid_total`.",
        unit="summaries",
    ),
    "summary/findings": _count_findings("Summaries in which a reviewer finds a major fault."),
    "summary/hallucinations": _count_findings(
        "Summaries that say what their source does not.", kind="hallucination"
    ),
    "summary/omissions": _count_findings("Summaries that leave out what matters.", kind="omission"),
    "summary/edits": count_bad(
        "Reviewed summaries that are edited or rejected.",
        "summary_reviews_total",
        {"action": "=~edited|rejected"},
        _JUDGED,
        _REVIEW_NEEDS,
        unit="summaries",
        reporter="judge",
    ),
    "summary/edit-share": read_values(
        "Share of a reviewed summary that is edited.",
        "summary_edit_ratio",
        _JUDGED,
        _REVIEW_NEEDS,
        unit="share",
        reporter="judge",
    ),
    "summary/feedback": count_bad(
        "Votes on summaries that are down.",
        "summary_feedback_total",
        {"vote": "down"},
        _JUDGED,
        "People vote as they please: a version that more people answer is no better for it.",
        unit="votes",
        reporter="judge",
    ),
}
