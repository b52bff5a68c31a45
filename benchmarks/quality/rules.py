"""The peers' rules by name."""

from benchmarks.peers import argo, flagger, kayenta, pooled
from benchmarks.peers.rule import Rule

RULES: dict[str, Rule] = {
    "Flagger": flagger.RULE,
    "Argo": argo.RULE,
    "Kayenta": kayenta.RULE,
    "z-test, peeked": pooled.Z_TEST,
    "GrowthBook": pooled.GROWTHBOOK,
}
