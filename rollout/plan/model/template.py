"""A metric that has a name: the document `MetricTemplate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rollout.plan.fields.base import Label, Model, Namespace, spelled
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.mesh.route import one_of, only
from rollout.plan.model.metric import Counter, Exposures, Histogram, Human, Pairs, RatioOfSums

_NAME = spelled(
    r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?(/[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?)?$",
    "a name such as `team/errors`: lower-case letters, digits, `-` and `.`, with at most one `/`",
)
TemplateName = Annotated[str, Field(pattern=_NAME)]


class TemplateMetadata(Model):
    """How the template is named."""

    name: TemplateName = Field(description="Name by which guardrails choose it.")
    namespace: Namespace | None = Field(
        None, description="Namespace of the resource, whose plans may choose it."
    )


class TemplateLabels(Model):
    """The labels by which a service and its versions are told apart."""

    service: Label | None = Field(None, description="Label that names the service.")
    version: Label | None = Field(None, description="Label that tells the two versions apart.")
    namespace: Label | None = Field(None, description="Label that holds the plan's namespace.")


class TemplateSpec(Model):
    """One metric, and the labels that its series usually have."""

    model_config = one_of("counter", "histogram", "ratio", "exposure", "pairs")

    description: str | None = Field(None, description="What it shows, in one line.")
    needs: str | None = Field(None, description="What has to be so that it shows that.")
    counter: Counter | None = Field(None, description="Bad units among all, from counters.")
    histogram: Histogram | None = Field(None, description="Values, from a histogram.")
    ratio: RatioOfSums | None = Field(None, description="What units add up to, from two counters.")
    exposure: Exposures | None = Field(None, description="Who was sent where, from a counter.")
    pairs: Pairs | None = Field(None, description="Pairs of answers that a judge compared.")
    labels: TemplateLabels = Field(
        TemplateLabels(), description="Label names; a guardrail's own come first."
    )

    @model_validator(mode="after")
    def _check_one_metric(self) -> Self:
        only(self, "`spec`", "counter", "histogram", "ratio", "exposure", "pairs")
        return self


class MetricTemplate(Model):
    """A metric template: a declared metric with a name."""

    api_version: Literal["surefoot.dev/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["MetricTemplate"] = Field(description="What this document is.")
    metadata: TemplateMetadata = Field(description="How the template is named.")
    spec: TemplateSpec = Field(description="What it reads.")

    @property
    def name(self) -> str:
        return self.metadata.name

    def document(self) -> dict[str, Any]:
        """Return the template as plain data, without what is left at its default."""
        return self.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, mode="json")

    def written_in(self, guardrail: Mapping[str, Any]) -> dict[str, Any]:
        """Return a guardrail's document with this metric in place of the template's name.

        So a plan holds what it reads: a template that is edited later changes no rollout.
        """
        document = self.spec.model_dump(by_alias=True, exclude_none=True, mode="json")
        for words in ("description", "needs"):
            document.pop(words, None)
        labels, own = document.pop("labels"), guardrail.get("labels")
        if isinstance(own, Mapping):
            if "arms" in own:
                labels.pop("version", None)
            labels |= dict(own)
        rest = {key: value for key, value in guardrail.items() if key != "template"}
        return {**document, **rest, "labels": labels if own is None else labels or own}

    @property
    def metric(self) -> DeclaredMetric:
        """What the reader reads."""
        labels = self.spec.labels
        return replace(
            declared_metric(
                self.spec.counter,
                self.spec.histogram,
                self.spec.ratio,
                self.spec.exposure,
                self.spec.pairs,
            ),
            service=labels.service or "",
            version=labels.version or "",
            namespace=labels.namespace or "",
        )


def declared_metric(
    *declarations: Counter | Histogram | RatioOfSums | Exposures | Pairs | Human | None,
) -> DeclaredMetric:
    """Return the metric of whichever is given. Raises ValueError where none is."""
    declared = next((own for own in declarations if own is not None), None)
    if declared is None:
        raise ValueError("no metric is declared")
    return declared.metric
