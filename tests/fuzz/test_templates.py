"""Whatever a folder of templates holds: templates that can be copied and read, or mistakes."""

from collections.abc import Mapping

from rollout.errors import PlanError
from rollout.plan.model.template import MetricTemplate
from rollout.plan.model.templates import SHIPPED
from rollout.plan.reading.templates import load_templates, text_of_template
from tests.support.fuzzing import fuzz

VALUES = ["=~5..", "=~(a|b)*", "5..", "!=", "=~[", "=~(?i)a{2,}", "", "x_total", "high", "judge"]
DOCUMENTS = [
    template.document() | {"metadata": {"name": f"own/{name.replace('/', '-')}"}}
    for name, template in SHIPPED.items()
]


def test_whatever_a_template_holds_is_a_template_or_mistakes(tmp_path):
    file = tmp_path / "own.yaml"
    accepted: list[str] = []

    def check(mutator):
        document = mutator.mangle(mutator.random.choice(DOCUMENTS), VALUES)
        file.write_text(mutator.to_json(document), encoding="utf-8", errors="replace")
        problem = ""
        templates: Mapping[str, MetricTemplate] = {}
        try:
            templates = load_templates(tmp_path)
        except PlanError as error:
            problem = str(error)
        accepted.extend(templates)
        assert problem.replace("\n", "").isprintable()
        for template in templates.values():
            metric = template.metric
            labels = dict.fromkeys(metric.labels, "503")
            assert isinstance(metric.counts_bad(labels | {"__name__": metric.names[-1]}), bool)
            file.write_text(text_of_template(template))
            assert load_templates(tmp_path)[template.name].metric == metric

    fuzz("templates", 0.04, check)
    assert accepted
