"""Stories that broke a promise once, each of another kind: they hold now."""

from __future__ import annotations

import pytest

from rollout.stories.play import play
from rollout.stories.story import parse_story

FOUND = {
    "an older backup lacks the first write, and a rollback writes nothing": (
        60,
        (
            "guardrails=latency blind=rollback inconclusive=rollback rate=20 api-denies@6.8:15 "
            "restore-live@12.6:5 not-ready@13.6:4"
        ),
    ),
    "an older backup lacks the first write, and a harmful canary keeps its weight": (
        6012,
        "canary=harmful mesh=gateway inconclusive=rollback clients=3 restore@15.9:8",
    ),
    "an older backup under a running controller, and a command in the place of its entry": (
        6016,
        (
            "mesh=gateway drift=revert inconclusive=rollback clients=1 restore-live@32.8:1 "
            "rejects@35.5:100 resume@37.5 partition@38:12"
        ),
    ),
    "another journal's number is taken for the own one": (
        12072,
        (
            "canary=late mesh=gateway guardrails=verdict inconclusive=rollback traffic=mirror "
            "hooks=yes journals=2 clients=1 services=2 partition@27.1:5 judge-silent@31.3:80"
        ),
    ),
    "another journal's rollback has the number of an older decision of the own one": (
        253,
        (
            "canary=harmful pin=yes drift=revert blind=rollback traffic=mirror hooks=yes "
            "journals=2 clients=1 services=2 watch-lag@21.1:5 ejects@27.9:0.9 "
            "clock-jump@30.2:-3 judge-biased@30.8:0.5"
        ),
    ),
    "the object of a route is gone, and the policy's note outlives the rollback": (
        1,
        "policy=yes delete-route@22:60 abort@25",
    ),
    "a clock that was ahead for ten seconds, and workers behind one address": (
        3002258,
        "rate=2 clock-jump-back@3:3600 workers@22",
    ),
    "a clock that is ahead since before the rollout, and samples look old": (
        2003927,
        "canary=perfect blind=rollback replicas=2 clients=1 clock-jump@0:20",
    ),
    "a process is replaced while its clock is set, and the bake is over": (
        5000308,
        (
            "canary=perfect mesh=envoy guardrails=verdict drift=adopt inconclusive=promote "
            "bake=30s clock-jump@0:-120 kill@13.4:8 clock-jump@16:3600 api-denies@22.8:4"
        ),
    ),
    "a scrape that was missed is counted together with the warm-up": (
        1,
        "clients=1 mute-canary@13.4:4",
    ),
    "an older backup lacks the first write, and a tester's route is moved": (
        20269,
        "mesh=envoy pin=yes restore@15:8",
    ),
    "the notes of an object go with a rollback by an older backup, and a tester's route is moved": (
        266,
        "pin=yes restore@34:20",
    ),
    "an edit that was taken over is written under a decision that says another split": (
        789,
        "git-revert-often@49:5 odd-object@60:4",
    ),
    "an edit while nobody knows whether the first write has arrived": (
        2000983,
        "mesh=envoy hooks=yes api-no-patch@8:45 hand-edit@20:100",
    ),
    "a canary falls silent while it gets copies": (
        1,
        "traffic=mirror mute-canary@12:80",
    ),
    "a share is too high first and then too low": (
        704,
        "traffic=holdback affinity@31:0.4 ejects@44:0.9",
    ),
    "hidden series are shown again under other labels": (
        20241,
        "bake=30s mute-canary@41:80 relabel@51",
    ),
    "the same, after a process that knew the series is gone": (
        20241,
        "bake=30s mute-canary@41:80 relabel@51 kill@100:3",
    ),
    "the same, after two such processes": (
        20241,
        "bake=30s mute-canary@41:80 relabel@51 restart-loop@100:4",
    ),
    "a server lacks the last samples of series that go on under other labels": (
        1001304,
        "prometheus-blink@41:15 relabel@43",
    ),
    "one sample of each version, and both the same": (
        1000661,
        "guardrails=latency prometheus-same-arms@21:15 prometheus-pair@32",
    ),
    "samples come back after a jump of the clock, when the hold of a blindness is over": (
        1002553,
        "prometheus-empty@5:45 clock-jump@29:3600",
    ),
    "a clock is set back by less than the slowest retry, while a rollback waits for its next": (
        1004341,
        "canary=late api-throttled@26:15 clock-jump@41:-20",
    ),
    "hidden series of a target that nobody had seen": (
        1003317,
        "late-target@26.1:500000 mute-stable@28:15",
    ),
    "a look that counted nothing is taken for traffic that agrees": (
        1003560,
        "guardrails=verdict ejects@30:0.9 prometheus-garbled@32:15 relabel@49",
    ),
    "a new process reads the last samples again where the newest is no number": (
        1004585,
        "version=old prometheus-nan@18.5:4",
    ),
    "a process dies after a query that took long, and its time counts twice": (
        1005167,
        "inconclusive=rollback twin-job@15 freeze-query@30:20 restart-loop@31:3",
    ),
    "counting begins anew after an outage, and old evidence promotes": (
        1006312,
        "canary-sick@36:0.3 restore-live@38:1",
    ),
    "a row is altered twice": (1007325, "torn@22:3 torn@24:3"),
    "samples of while the machine slept are taken as fresh": (
        1,
        "sleep@22:40 all-stale@25:80",
    ),
    "stable falls silent while a cut-off proxy goes on to send it requests": (
        300006,
        "mesh=gateway clients=1 cut-off@38.7:30 mute-stable@58.2:30",
    ),
    "the same, for no longer than a scrape": (
        300179,
        "canary=perfect replicas=2 clients=1 cut-off@45.5:12 mute-stable@53.1:4",
    ),
    "the same, where every proxy rejects the promotion": (
        300006,
        "mesh=gateway rejects@44:100 mute-stable@58.2:80",
    ),
    "several processes answer at one address, with small counters": (
        1003894,
        "api-no-get@22:45 workers@40",
    ),
    "the same, where nothing tells when a process started": (
        3001478,
        "guardrails=latency starts=unknown version=old workers@33.4 stale@52.2:15",
    ),
    "of three targets the last is scraped a second after a look": (1007705, "clients=3 rate=2"),
    "a reader is a unit behind at the end of the warm-up": (
        1008199,
        (
            "clients=1 rate=2 services=2 prometheus-slow@1.2:15 affinity@5:0.4 freeze-write@7:3 "
            "sleep@10:90 jitter@17"
        ),
    ),
    "two edits are taken over, one after the other": (
        1009441,
        "drift=adopt git-revert@24 hand-edit@29:100",
    ),
    "an edit of one route is taken over, and the canary is taken out of another": (
        1006216,
        "drift=adopt edit-one-route@40:100 drop-arm@45",
    ),
    "an older backup lacks the first write, and an abort says that nothing was written": (
        3000575,
        (
            "guardrails=verdict drift=adopt blind=rollback inconclusive=rollback replicas=2 "
            "clients=1 starts=unknown watch-lag@3.4:30 restore@17.9:8 abort@19.7 api-denies@28:15"
        ),
    ),
    "an answer of one series, while there is no other": (
        3002921,
        (
            "mesh=envoy blind=rollback clients=1 rate=2 prometheus-one-series@19.6:45 "
            "prometheus-denied@25.9:15 restart-loop@12.6:3"
        ),
    ),
    "a rejected canary falls silent while proxies go on to send it requests": (
        300006,
        "clients=1 rejects@44:100 abort@45 mute-canary@58.2:30",
    ),
}


@pytest.mark.parametrize(("seed", "text"), FOUND.values(), ids=FOUND)
def test_a_story_that_was_found_holds(seed, text):
    assert play(parse_story(seed, text)).broken == []


@pytest.mark.parametrize("wrong", [3600, -3600, 20, 86_400])
@pytest.mark.parametrize(
    ("canary", "end"), [("perfect", "promote: proven"), ("dead", "roll back: harmful")]
)
def test_a_clock_that_is_wrong_since_before_the_rollout_changes_no_end(wrong, canary, end):
    played = play(parse_story(1, f"canary={canary} clock-jump@0:{wrong}"))
    assert (played.broken, played.ends) == ([], (end,))
