"""Each mistake has its code, its place and words that say what to write instead."""

from pathlib import Path
from typing import Any

import pytest

from rollout.errors import InputError, PlanError
from rollout.plan.fields.base import RECORDED
from rollout.plan.fields.codes import CODES, markdown
from rollout.plan.model.plan import Plan
from rollout.plan.reading.files import load_file, load_files
from rollout.plan.reading.load import load
from rollout.plan.reading.positions import compose
from tests.support.plan_text import GOOD

ROOT = Path(__file__).parents[4]
BUDGET = "harmBudget: 10\n    min: 1%\n    max: 50%"
STEPS = "steps: [5%, 25%, 50%]"
ENVOY = 'envoy: {file: routes.yaml, admin: "http://127.0.0.1:9901"}'
EDGE = "{parentRefs: [{name: g}], port: 80}"
SEGMENT = "{segment: {header: {name: a, exact: b}}}"
ERRORS = "{name: errors, template: envoy/errors, margin: {ratio: 1.25}}"
OWN = (
    '{name: errors, counter: {series: x, bad: {status: "=~5.."}}, margin: {ratio: 1.25}, '
    "labels: {version: v}}"
)
SUMS = "ratio: {sum: {series: x}, count: {series: y}}"
GOALS = "goals: [{guardrail: errors}]"
ISTIO = f"{ENVOY}\n    istio: {{virtualService: summarizer}}"

# What is written instead of what, and the one line that must come of it.
CASES = [
    (
        "bake: 2m",
        "bake: [2m",
        "13:13 P001 expected ',' or ']', but got ':' (while parsing a flow",
    ),
    ("  ramp:", "\tramp:", "10:1 P001 found character '\\t' that cannot start any token"),
    ("kind: RolloutPlan", "kind: \x07", "2:7 P001 character '\\x07' is not allowed in YAML"),
    (GOOD, "", "1:1 P001 the file holds no plan"),
    (GOOD, "---\n# nothing\n", "1:1 P001 the file holds no plan"),
    (GOOD, "[" * 1000, "1:102 P001 nested too deeply"),
    ("kind:", "kind: RolloutPlan\nkind:", "3:1 P002 key `kind` again, first in line 2"),
    (
        "interval:",
        "whenblind: {hold: 5m}\n  interval:",
        "16:3 P003 unknown key `whenblind` in `spec` (did you mean `whenBlind`?)",
    ),
    (
        "ratio: 1.25",
        "ratoi: 1.25, ratio: 2",
        "14:55 P003 unknown key `ratoi` in `spec.guardrails[0].margin` (did you mean `ratio`?)",
    ),
    (
        "interval: 30s",
        "harmBudget: 3",
        "16:3 P003 unknown key `harmBudget` in `spec` (`harmBudget` belongs in spec.ramp)",
    ),
    ("interval: 30s", "zzz: 3", "16:3 P003 unknown key `zzz` in `spec`"),
    ("bake: 2m", "beke: 2m", "12:5 P003 unknown key `beke` in `spec.ramp` (did you mean `bake`?)"),
    ("    bake: 2m\n", "", "10:3 P004 missing key `bake` in `spec.ramp`"),
    ("  service: summarizer\n", "", "4:1 P004 missing key `service` in `spec`"),
    ("kind: RolloutPlan\n", "", "1:1 P004 missing key `kind` in the plan"),
    (
        ", margin: {ratio: 1.25}",
        "",
        "14:7 P004 missing key `margin`",
    ),
    ("30s", "30", "16:13 P005 write a duration with its unit: 30s, 2m or 24h"),
    ("25%", "25", "11:17 P005 write a percentage with its sign: 5% or 0.1%"),
    ("10%", "ten", "15:59 P005 write a percentage (10%) or a number (0.1)"),
    ("10%", ".nan", "15:59 P005 write a percentage (10%) or a number (0.1)"),
    (
        "version: v2",
        "version: no",
        '7:21 P005 must be text, but YAML reads `no` as true or false (quote it: "no")',
    ),
    (
        "version: v2",
        "version: 2",
        '7:21 P005 must be text, but YAML reads `2` as a number (quote it: "2")',
    ),
    ("version: v2", "version: ", "7:20 P005 must be text, but nothing is given"),
    ("version: v2", "version: [v2]", "7:21 P005 must be text, not a list"),
    (STEPS, "steps: 5%", "11:12 P005 must be a list, not `5%`"),
    ("{name: summarizer-v2}", "summarizer-v2", "3:11 P005 must be a mapping, not `summarizer-v2`"),
    ("ratio: 1.25", 'ratio: "1.25"', "14:62 P005 must be a number, not `1.25` (write 1.25)"),
    ("ratio: 1.25", "ratio: true", "14:62 P005 must be a number, not `true`"),
    ("ratio: 1.25", "ratio: .inf", "14:62 P006 must be a finite number"),
    ("ratio: 1.25", "ratio: 0.5", "14:62 P006 must be at least 1"),
    ("service: summarizer", "service: !x summarizer", "5:12 P005 plans use no tags such as !x"),
    ("service: summarizer", "service: a b", "5:12 P006 must be letters, digits, `-`, `_` and `.`"),
    ("summarizer-v2", "A", "3:18 P006 must be lower-case letters"),
    ("http://127", "ftp://127", "9:39 P006 must be an address that begins with http:// or https"),
    ("5%, 25%, 50%", "", "11:12 P006 needs at least one entry"),
    (
        "envoy/latency",
        "envoy/latancy",
        "15:33 P006 there is no template `envoy/latancy` (did you mean `envoy/latency`?)",
    ),
    (
        "interval: 30s",
        "onDrift: revrt",
        "16:12 P006 must be `adopt` or `revert` or `pause`, not `revrt` (did you mean `revert`?)",
    ),
    ("interval: 30s", "interval: 0s", "16:13 P006 must be longer than 0s"),
    ("50%]", "99.5%]", "11:22 P006 a canary weight is at most 99 %"),
    ("10%", "0", "15:59 P007 a tolerance of 0"),
    ("ratio: 1.25", "ratio: 1", "14:46 P007 a margin of ratio 1 and absolute 0"),
    ("ratio: 1.25", "ratio: 1, absolute: 0%", "14:75 P007 a margin of ratio 1 and absolute 0"),
    ("25%", "3%", "11:17 P008 step 3 % is lower than the one before (5 %)"),
    ("25%", "5%", "11:17 P008 step 5 % is equal to the one before (5 %)"),
    (STEPS, BUDGET.replace("50%", "0.5%"), "13:10 P008 max 0.5 % is lower than min 1 %"),
    ("5%,", "0.001%,", "11:13 P009 a weight is a multiple of 0.01 %"),
    ("5%,", "0.015%,", "11:13 P009 a weight is a multiple of 0.01 %"),
    ("name: latency", "name: errors", "15:14 P010 the name `errors` is given twice"),
    (
        "30s",
        "20s",
        "16:13 P011 the interval 20s is not a multiple of the scrape interval 15s (write `inte",
    ),
    (
        "  interval: 30s",
        "  prometheus: {scrape: 20s}",
        "4:1 P011 the interval 30s is not a multiple",
    ),
    ("version: v2", "version: v1", "7:21 P012 stable is the same version"),
    (
        ENVOY,
        "envoy: {file: f, admin: 'http://a', clusters: {stable: c, canary: c}}",
        "9:71 P012 stable uses the same one",
    ),
    (
        ENVOY,
        "istio: {virtualService: a, subsets: {stable: s, canary: s}}",
        "9:61 P012 stable uses the same one",
    ),
    (
        ENVOY,
        "istio: {virtualService: a, hosts: {stable: s, canary: s}}",
        "9:59 P012 stable uses the same one",
    ),
    (
        ENVOY,
        "gateway: {httpRoute: a, backends: {stable: s, canary: s}}",
        "9:59 P012 stable uses the same one",
    ),
    (
        "interval: 30s",
        "deadline: 90s",
        "16:13 P013 the deadline of 1m30s must be longer than the warm-up (2m)",
    ),
    (
        "tolerance: 10%",
        "tolerance: 10%, margin: {ratio: 2}",
        "15:72 P014 envoy/latency is a histogram: replace `margin` by `tolerance`",
    ),
    (
        "interval: 30s",
        "pods: {label: pod, history: 1h}",
        "16:31 P015 a history of 1h holds fewer than 480 looks (write `history: 4h` or more)",
    ),
    (ENVOY, "{}", "9:5 P016 `route` needs exactly one of `envoy` or `istio` or `gateway`"),
    (ENVOY, ISTIO, "10:12 P016 `route` has `envoy` already: it needs exactly one of `envoy`"),
    (
        ENVOY,
        "gateway: {backends: {stable: a, canary: b}}",
        "9:14 P016 `gateway` needs exactly one of",
    ),
    (
        f"{ENVOY}\n",
        "istio: {virtualService: s}\n  traffic: {affinity: {header: x-user}}\n",
        "10:23 P017 Istio has no affinity between versions",
    ),
    (
        ENVOY,
        "istio: {virtualService: s, hosts: {stable: a, canary: b}, host: c}",
        "9:69 P016 `hosts` names two hosts, which replace two subsets of one",
    ),
    (
        ENVOY,
        "istio: {virtualservice: s}",
        "9:13 P003 unknown key `virtualservice` in `spec.route.istio` (did you mean `virtualServ",
    ),
    (ENVOY, "istio: {virtualService: s, tcp: [{port: 0}]}", "9:45 P006 must be at least 1"),
    (ENVOY, "istio: {virtualService: s, create: {}}", "9:40 P022 needs `destinationRule`"),
    (
        ENVOY,
        "istio: {virtualService: s, destinationRule: s, create: {}, tcp: [{port: 90}]}",
        "9:69 P022 remove this key: a created route has one HTTP route",
    ),
    (
        ENVOY,
        "gateway: {httpRoute: s, rules: [a], create: {parentRefs: [{name: g}], port: 80}}",
        "9:36 P022 remove this key",
    ),
    (
        ENVOY,
        f"gateway: {{httpRoute: s, create: {EDGE}, backends: {{stable: a, canary: b, port: 90}}}}",
        "9:69 P022 `backends.port` is 90, but a created route has one port",
    ),
    (
        ENVOY,
        "gateway: {httpRoute: s, create: {parentRefs: [], port: 80}}",
        "9:50 P006 needs at least one entry",
    ),
    (ENVOY, "istio: {virtualService: S}", "9:29 P006 must be the name of an object: lower-case"),
    (
        STEPS,
        "blueGreen: {holdback: 5%, before: 1h}",
        "11:39 P016 `blueGreen` has `holdback` already",
    ),
    (STEPS, "blueGreen: {}", "11:16 P016 `blueGreen` needs exactly one of `holdback` or `before`"),
    (
        f"{STEPS}\n    bake: 2m",
        "blueGreen: {before: 5m}\n    bake: 2m\n  warmup: 3m",
        "13:11 P018 the warm-up of 3m and the bake of 2m use up the 5m of stable",
    ),
    (
        STEPS,
        "steps: [50%, 100%]",
        "11:18 P006 a canary weight is at most 99 %: the promotion itself goes to 100 %",
    ),
    (
        f"{ENVOY}\n  ramp:\n    {STEPS}",
        f"{ENVOY}\n  traffic: {SEGMENT}\n  ramp:\n    blueGreen: {{before: 1h}}",
        "12:25 P019 requests outside the segment stay on stable",
    ),
    (
        "interval: 30s",
        "policy: {fallback: true}",
        "16:22 P021 needs `envoy.clusterFile`",
    ),
    ("interval: 30s", "pods: {history: 6h}", "16:3 P004 missing key `label` in `spec.pods`"),
    (
        "interval: 30s",
        "pods: {canary: 2, history: 6h}",
        "16:3 P004 missing key `label` in `spec.pods`",
    ),
    ("interval: 30s", "pods: {label: a-b}", "16:17 P006 must be a Prometheus label name"),
    (
        "interval: 30s",
        "pods: {label: pod, canary: 1.5}",
        "16:30 P005 must be a whole number, not `1.5`",
    ),
    (
        ERRORS,
        OWN.replace("=~5..", "5.."),
        '14:57 P023 `5..` is exact text here, but looks like a pattern (write "=~5.."',
    ),
    (
        ERRORS,
        OWN.replace("=~5..", "=~5(.."),
        "14:57 P023 `5(..` cannot be read as a regular expression: meshes and",
    ),
    (
        ERRORS,
        OWN.replace('status: "=~5.."', 'quantile: "0.99"'),
        "14:59 P027 a quantile of a summary is no count",
    ),
    (ERRORS, OWN.replace('status: "=~5.."', 'le: "0.5"'), "14:53 P027 buckets are read together"),
    (
        ERRORS,
        OWN.replace("bad: {", 'where: {status: "=~5.."}, bad: {'),
        "14:74 P006 `bad` selects all that is counted, so that nothing is good",
    ),
    (
        ERRORS,
        OWN.replace('series: x, bad: {status: "=~5.."}', "total: {series: x}, bad: {series: x}"),
        "14:57 P006 `bad` selects all that is counted, so that nothing is good",
    ),
    ("canary: {version: v2}", 'canary: {version: "a\\nb"}', "7:21 P006 must be one line of text"),
    (ERRORS, OWN.replace('"=~5.."', "500"), "14:57 P005 must be text, but YAML reads `500`"),
    (ERRORS, OWN.replace("status", "a-b"), "14:54 P006 `a-b` is no Prometheus label name"),
    (ERRORS, OWN.replace(", labels: {version: v}", ""), "14:7 P004 nothing tells the two versions"),
    (
        ERRORS,
        OWN.replace("margin: {ratio: 1.25}", "margin: {ratio: 1.25}, tolerance: 10%"),
        "14:102 P014 the counter is a rate: replace `tolerance` by `margin`",
    ),
    (
        ERRORS,
        OWN.replace("counter", "template: envoy/errors, counter"),
        "14:55 P016 a guardrail has `template` already: it needs exactly one of `template` or",
    ),
    (
        ERRORS,
        OWN.replace("series: x", "total: {series: x}").replace('{status: "=~5.."}', "[y]"),
        "14:57 P005 must be a mapping, not a list",
    ),
    (
        ERRORS,
        OWN.replace("version: v", "version: v, arms: {stable: {a: b}, canary: {a: c}}"),
        "14:118 P016 `version` tells the versions apart already: remove one of the two",
    ),
    (
        "template: envoy/latency",
        "template: vllm/ttft",
        "15:7 P004 nothing tells the two versions of this metric apart (write `labels: {version",
    ),
    (
        "canary: {version: v2}",
        "canary: {version: 'org/model:tag'}",
        "9:5 P024 `org/model:tag` cannot be the name of a destination",
    ),
    (
        "tolerance: 10%",
        "slower: {than: 250, margin: {absolute: 1}}",
        "15:87 P006 must be less than 1",
    ),
    (
        "tolerance: 10%",
        "slower: {than: 250ms, margin: {absolute: 1%}, limit: 5%}",
        "15:101 P016 an edge has `margin` already",
    ),
    ("tolerance: 10%", "slower: {than: 250ms}", "15:56 P016 an edge needs exactly one"),
    (
        "tolerance: 10%",
        "slower: {than: 5 min, margin: {absolute: 1%}}",
        "15:63 P005 write a time, 250ms or 1.5s, or a number above zero in the metric's unit",
    ),
    (
        "interval: 30s",
        "goals: [{guardrail: error}]",
        "16:23 P006 there is no guardrail `error`: a goal is guarded too (did you mean `errors`?)",
    ),
    (
        "interval: 30s",
        "goals: [{guardrail: errors}, {guardrail: errors}]",
        "16:44 P010 the goal `errors` is given twice",
    ),
    (
        "interval: 30s",
        "goals: [{guardrail: latency}]",
        "16:11 P004 `latency` is a histogram: say beyond which bucket's edge units are bad",
    ),
    (
        "interval: 30s",
        "goals: [{guardrail: errors, edge: 2}]",
        "16:37 P029 `errors` has its own bad units: remove `edge`",
    ),
    (
        "interval: 30s",
        "experiment: {end: {looks: 9}}",
        "16:15 P029 an experiment needs goals",
    ),
    (
        "interval: 30s",
        f"{GOALS}\n  experiment: {{end: {{}}}}",
        "17:16 P004 an experiment needs an end: `after`, `looks` or `requests`",
    ),
    (
        "interval: 30s",
        f"{GOALS}\n  experiment: {{end: {{after: 2d}}}}",
        "17:29 P029 the deadline of 1d comes before the end, which takes 2d",
    ),
    (
        "interval: 30s",
        f"{GOALS}\n  whenInconclusive: promote\n  experiment: {{end: {{looks: 9}}}}",
        "18:15 P029 `whenInconclusive: promote` would promote a canary that has not won",
    ),
    (
        "interval: 30s",
        f"{GOALS}\n  experiment: {{end: {{looks: 9}}, allocation: {{floor: 55%, cap: 70%}}}}",
        "17:63 P008 half of the traffic must be within floor and cap of both versions",
    ),
    (
        GOOD[GOOD.index(STEPS) :],
        GOOD[GOOD.index(STEPS) :].replace(STEPS, "steps: [5%]").rstrip()
        + f"\n  {GOALS}\n  experiment: {{end: {{looks: 9}}, allocation: {{floor: 10%, cap: 80%}}}}",
        "18:45 P029 the ramp's last step 5 % is not within the canary's 20 % to 80 %",
    ),
    (
        GOOD[GOOD.index(ERRORS) - 2 : GOOD.index("  interval:")].strip(),
        f"- {{name: it, {SUMS}, labels: {{version: v}}}}",
        "14:5 P028 sums and exposures show no harm and prove nothing: nothing else is guarded",
    ),
    (
        ERRORS,
        f"{{name: errors, {SUMS}, times: 0, labels: {{version: v}}}}",
        "14:76 P006 must be more than 0",
    ),
    (
        ERRORS,
        f"{{name: errors, {SUMS}, margin: {{absolute: 1%}}, labels: {{version: v}}}}",
        "14:77 P014 the ratio is a ratio of sums: replace `margin` by `times`",
    ),
    (
        ERRORS,
        "{name: errors, template: envoy/errors, margin: {ratio: 2}, times: 2}",
        "14:73 P014 envoy/errors is a rate: replace `times` by `margin`",
    ),
    (
        "tolerance: 10%",
        "below: {score: 0.6, margin: {absolute: 1%}}",
        "15:55 P026 `below` does not fit durations in ms, of which high is bad (write `slower`",
    ),
    (
        "tolerance: 10%",
        "tolerance: 10%, slower: {than: 1s, margin: {absolute: 1%}}",
        "15:59 P016 a histogram's guardrail has `slower` already: it needs exactly one of",
    ),
    (
        "interval: 30s",
        "pods: {label: pod, requireCalibration: 1}",
        "16:42 P005 must be true or false, not `1`",
    ),
]


def mistakes(text):
    with pytest.raises(PlanError) as caught:
        load(text, "plan.yaml")
    return [str(mistake).removeprefix("plan.yaml:") for mistake in caught.value.mistakes]


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[2][:40] for case in CASES])
def test_one_mistake_is_one_line(old, new, expected):
    assert old in GOOD
    found_mistakes = mistakes(GOOD.replace(old, new, 1))
    assert len(found_mistakes) == 1
    assert found_mistakes[0].startswith(expected)


def test_every_code_has_a_case_and_stands_in_the_documentation():
    cases = {expected.split()[1] for _, _, expected in CASES}
    of_plans = {code for code in CODES if code < "P030"}  # the others are of mesh documents
    # P000 is met by the command only, P025 by templates.
    assert cases | {"P000", "P025"} == of_plans
    assert (ROOT / "docs/plan-errors.md").read_text() == markdown()


def test_a_good_plan_says_what_was_written():
    (plan,) = load(GOOD, "plan.yaml")
    assert plan.name == "summarizer-v2"
    assert plan.spec.ramp.least == 0.05
    assert plan.spec.ramp.most == 0.5
    assert plan.spec.deadline == 86400
    assert plan.spec.guardrails[0].metric.kind == "rate"


def test_pods_are_learnt_from_half_a_day_of_their_past():
    (plain,) = load(GOOD, "plan.yaml")
    (plan,) = load(GOOD + "  pods: {label: pod}\n", "plan.yaml")
    assert plain.spec.pods is None
    declared = plan.spec.declared_pods
    assert declared is not None
    assert declared.history == 43200
    assert declared.when_unknown == "pause"
    assert load(GOOD, "plan.yaml")[0].digest == plain.digest != plan.digest


def test_every_mistake_at_once():
    text = GOOD
    for old, new in [
        ("version: v2", "version: no"),
        ("25%", "25"),
        ("bake", "beke"),
        ("envoy/errors", "envoi/errors"),
        ("name: latency", "name: errors"),
        ("10%", "0"),
        ("30s", "30"),
    ]:
        text = text.replace(old, new, 1)
    assert [line.split()[:2] for line in mistakes(text)] == [
        ["7:21", "P005"],
        ["11:17", "P005"],
        ["12:5", "P003"],
        ["14:32", "P006"],
        ["15:14", "P010"],
        ["15:58", "P007"],
        ["16:13", "P005"],
    ]


def test_a_ramp_is_of_one_kind():
    for other in ("harmBudget: 3", "blueGreen: {holdback: 5%}"):
        both = GOOD.replace("bake: 2m", f"bake: 2m\n    {other}", 1)
        mistake = "11:5 P003 `steps` is of another kind of ramp"
        assert f"{mistake} (a ramp has steps, a harmBudget or blueGreen)" in mistakes(both)
    (plan,) = load(GOOD.replace(STEPS, BUDGET), "plan.yaml")
    assert (plan.spec.ramp.least, plan.spec.ramp.most) == (0.01, 0.5)


def test_several_documents_are_several_plans_and_bad_ones_spoil_all():
    other = GOOD.replace("name: summarizer-v2", "name: summarizer-v3")
    assert [plan.name for plan in load(f"---\n{GOOD}---\n{other}---\n", "p")] == [
        "summarizer-v2",
        "summarizer-v3",
    ]
    assert mistakes(f"{GOOD}---\n{GOOD}") == ["20:18 P010 the name `summarizer-v2` is given twice"]
    assert len(mistakes(f"{GOOD.replace('30s', '30')}---\n{other.replace('2m', '2')}")) == 2


def test_anchors_aliases_and_merges_are_the_values_they_stand_for():
    spelled = GOOD.replace(
        "{name: latency, template: envoy/latency, tolerance: 10%}",
        "&slow {name: latency, template: envoy/latency, tolerance: 10%}\n"
        "    - {<<: *slow, name: tail, tolerance: 20%}",
    )
    (plan,) = load(spelled, "plan.yaml")
    assert [guardrail.tolerance for guardrail in plan.spec.guardrails] == [None, 0.1, 0.2]
    assert mistakes(GOOD.replace("[5%, 25%, 50%]", "&a [*a]")) == [
        "11:12 P005 an alias that contains itself",
        "11:12 P005 write a percentage with its sign: 5% or 0.1%",
    ]


def test_a_bomb_of_aliases_is_refused_at_once():
    layers = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 40))
    merges = "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40))
    found_mistakes = mistakes(f"b0: &b0 [x]\n{layers}m0: &m0 {{x: y}}\n{merges}{GOOD}")
    assert len(found_mistakes) == 80
    assert all(" P003 " in line for line in found_mistakes)


def test_a_large_mapping_that_is_merged_again_and_again_is_not_copied_each_time():
    large = ", ".join(f"k{n}: 1" for n in range(1000))
    merged = [load_document(large, times) for times in (10, 4000)]
    few, many = ([len(mapping) for mapping in document.data()["y"]] for document in merged)
    assert few == [1000] * 10
    assert sum(many) < 30_000
    assert [m.code for document in merged for m in document.mistakes] == ["P001"]


def load_document(large, times):
    """A document with a list of mappings, each of which takes the large one over."""
    ((document,), problems) = compose(f"x: &x {{{large}}}\ny:\n" + "  - {<<: *x}\n" * times, "f")
    assert not problems
    return document


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [id]", "!!python/name:os.system", "!x y"]
)
def test_a_tag_that_would_build_something_is_a_mistake(tag):
    assert mistakes(GOOD.replace("30s", tag))[0].split()[1] in {"P003", "P005"}


def test_words_of_the_file_reach_the_terminal_without_control_characters():
    red = r'"\e[31mred"'
    for good in ["interval", "envoy/errors", "RolloutPlan", "summarizer-v2", "30s"]:
        (mistake,) = mistakes(GOOD.replace(good, red, 1))
        assert "\x1b" not in mistake
    (mistake,) = mistakes(GOOD.replace("envoy/errors", red))
    assert r"there is no template `\x1b[31mred`" in mistake


def test_files(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    bad.write_text(GOOD.replace("30s", "30"))
    assert load_file(good) == load(GOOD, "x")
    assert load_files([good]) == load(GOOD, "x")
    with pytest.raises(PlanError) as caught:
        load_files([bad, good, bad])
    assert len(caught.value.mistakes) == 2
    assert caught.value.mistakes[0].file == str(bad)
    with pytest.raises(InputError, match=r"absent.yaml: No such file"):
        load_file(tmp_path / "absent.yaml")
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        load_file(bad)


@pytest.mark.parametrize("path", sorted((ROOT / "manifests/examples").glob("*.yaml")), ids=str)
def test_examples_are_good_plans_that_editors_check(path):
    assert load_file(path)
    first = path.read_text().splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / schema).resolve() == ROOT / "manifests/schema/rolloutplan.json"


def test_there_are_examples():
    assert len([*(ROOT / "manifests/examples").glob("*.yaml")]) >= 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "#" * (256 * 1024), "are no plan: at most 256 KB"),
        (GOOD.replace("[5%, 25%, 50%]", f"[{', '.join(['5%'] * 300)}]"), "P008"),
        (GOOD + "".join(f"x{n}: 1\n" for n in range(18_000)), "more mistakes"),
    ],
    ids=["bytes", "steps", "mistakes"],
)
def test_what_is_too_much_is_told_in_a_few_lines(text, words):
    lines = mistakes(text)
    assert 1 <= len(lines) <= 200
    assert words in lines[-1]


def test_a_list_that_is_valid_and_too_long_is_refused():
    steps = ", ".join(f"{0.01 * n:.2f}%" for n in range(1, 301))
    (line,) = mistakes(GOOD.replace("[5%, 25%, 50%]", f"[{steps}]"))
    assert "P006 300 entries, at most 256 may be here" in line


def test_a_plan_of_a_journal_is_read_however_long_its_lists_are():
    (plan,) = load(GOOD, "plan.yaml")
    document = plan.document()
    document["spec"]["ramp"]["steps"] = [f"{0.01 * n:.2f}%" for n in range(1, 301)]
    ramp: Any = Plan.model_validate(document, context=RECORDED).spec.ramp
    assert len(ramp.steps) == 300


@pytest.mark.parametrize("good", ["interval", "envoy/errors", "30s"])
def test_half_a_character_is_a_mistake(good):
    assert good in GOOD
    assert "half of a character" in mistakes(GOOD.replace(good, r'"\ud800"', 1))[0]


def test_a_weight_beyond_every_number_is_a_mistake():
    (line,) = mistakes(GOOD.replace("[5%, 25%, 50%]", f"[5%, {'9' * 400}%]"))
    assert " P006 " in line


def test_aliases_that_nest_each_other_are_refused():
    layers = "".join(f"? [&b{n} {'[' * 60}*b{n - 1}{']' * 60}]\n: x\n" for n in range(1, 30))
    lines = mistakes(f"b0: &b0 x\n{layers}last: *b29\n{GOOD}")
    assert any("nested too deeply" in line for line in lines)


@pytest.mark.parametrize("escape", ["U99999999", "U00110000", "Uffffffff"])
def test_an_escape_for_no_character_is_a_mistake(escape):
    with pytest.raises(PlanError) as caught:
        load(f'a: 1\nb: "\\{escape}"\n', "f")
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.code) == (2, "P001")
    assert "an escape for a character that does not exist" in mistake.message
