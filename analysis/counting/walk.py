"""Walks along one series' new samples, and counts what it believes.

A birth counts in full where there is evidence that its counter stood at 0 since the baseline, and
is a baseline itself elsewhere. Each later change is classified (see `change`). A doubted one is
resolved by the samples after it: a dip that is made good is passed over, a leap whose pace lasts is
counted, and a new level that lasts is a baseline. A second doubt soon after is never resolved. A
fall to where a restart may have left it is believed at once, unless start times are known and show
no restart: then siblings have to show one, or it has to last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import add, ge, sub

from analysis.counting.change import (
    AT_ONCE,
    FEW,
    SETTLED,
    Change,
    Left,
    Owed,
    classify,
    has_leap,
    is_leap,
    may_follow_restart,
    owe,
)
from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Sample
from analysis.counting.origin import Origin
from analysis.counting.siblings import ALONE, Point, Siblings, Units, falls, find_back

REMEMBERED = 20
"""Gaps for which a doubted change is remembered: a second one is no accident."""

AGAIN = 4
"""Gaps within which a second restart that no evidence shows is doubted."""

SEVERAL = "several processes seem to answer at one address"
CHANGING = "members of this sum seem to come and go"
_CONFIRMED = 0.1  # share of a leap's pace that must last, so that it is believed


@dataclass
class Walk:
    """The state of a walk: where it stands, and what it has counted.

    `pace` is in units per second, `remembered` the unix time until which an earlier doubt is, and
    `is_held` tells that the last sample is lower by a unit or so than where the walk stands. `left`
    is what it stood at before a fall that counted and that nothing explains. A sum counts none of
    its falls, `owed` is what it fell by, and `own_pace` is the highest of this one series.
    At `began` the counting began, unix seconds.
    """

    origin: Origin
    pace: float
    remembered: float | None = None
    is_held: bool = False
    siblings: Siblings = ALONE
    left: Left | None = None
    is_sum: bool = False
    owed: Owed | None = None
    own_pace: float = 0.0
    began: float | None = None
    words: list[str] = field(default_factory=list)
    _at: float = 0.0
    _mark: Units = ()
    _total: Units = ()
    _has_doubted: bool = False
    # Units and seconds of each gap since the last restart.
    _run: list[tuple[int, float]] = field(default_factory=list)

    @property
    def last(self) -> Sample:
        """The sample to count from next, as cumulative counts."""
        return self._at, tuple(map(float, accumulate(self._mark)))

    def stand(self, point: Point) -> None:
        """Begin at a sample, of which nothing is counted."""
        self._at, self._mark, self.is_held = *point, False
        self._total = tuple(0 for _ in self._mark)

    def count_birth(self, began: float | None, *, is_renamed: bool) -> None:
        """Count the sample where the walk stands in full, if the evidence says so.

        `began` is the unix time of the baseline. A series that another one was renamed to is not
        new.
        """
        units, name = sum(self._mark), self.origin.name
        if not units:
            return
        zero = self._find_zero(began)
        if is_renamed or self.origin.by == "renamed":
            self.words.append(f"{name} is new, and may be another series under a new name")
        elif zero is None:
            self.words.append(f"{name} is new, and nothing shows that its {units:,} are")
        elif is_leap(units, self._at - zero, self.pace):
            self.words.append(f"{name} is new, and {units:,} are too many for its age")
        else:
            self._total = self._mark

    def finish(self, points: Sequence[Point]) -> Units:
        """Walk along the samples that are newer; return the units per bucket.

        Raises EvidenceError, in words, for a doubt that they do not resolve.
        """
        if self.origin.by == "other":
            raise EvidenceError(f"{self.origin.name}: {SEVERAL}, their start times differ")
        points = [point for point in points if point[0] > self._at]
        index = 0
        while index < len(points):
            index = self._step(points, index)
        self._end_run()
        return self._total

    def _find_zero(self, began: float | None) -> float | None:
        """Return when a new counter stood at 0; None if unknown or before the baseline."""
        zero = max((zero for zero in self.origin.zeros if zero <= self._at), default=None)
        if zero is None or began is None:
            return None
        # A scrape without the series is a sample of 0, from which any series would be counted.
        return zero if self.origin.by == "scrape" or zero >= began else None

    def _step(self, points: Sequence[Point], index: int) -> int:
        """Judge one sample; return the index of the next one to judge."""
        at, units = points[index]
        if self.origin.by == "renamed" and self.origin.zero_between(self._at, at) is not None:
            self.words.append(f"{self.origin.name} came back, and another series ended")
            self._at, self._mark, self.is_held = at, units, False
            return index + 1
        if (left := self._find_back(at, units)) is not None:
            self._go_back(left, at, units)
            return index + 1
        self._take_back(at, units)
        if not all(map(ge, units, self._mark)):
            self._end_run()  # what comes after a fall is judged by the pace before it
        change = self._classify(at, units)
        if change == "reset" and not self._is_known_reset(at, units):
            return self._owe(at, units, index) if self.is_sum else self._confirm(points, index)
        if change in {"fall", "leap"}:
            return self._resolve(points, index, is_fall=change == "fall")
        self.is_held = change == "jitter"
        if change == "jitter":
            self._at = at
        elif change == "rise":
            self._rise(at, units)
        else:
            self._begin_again(at, units)
        return index + 1

    def _begin_again(self, at: float, units: Units) -> None:
        """Count a restarted counter in full."""
        self._total = tuple(map(add, self._total, units))
        self._at, self._mark, self.is_held = at, units, False

    def _has_to_last(self, at: float, units: Units) -> bool:
        """Whether a fall is a restart only if it lasts: starts are known, or a pace from few gaps.

        Several workers that answered in rising order before the baseline teach a pace of none.
        """
        if self._has_start:
            return True
        return self._is_early(at) and sum(units) > FEW

    def _is_early(self, at: float) -> bool:
        return self.began is not None and self._at - self.began < AGAIN * (at - self._at)

    def _take_back(self, at: float, units: Units) -> None:
        """Take off what a lost member of a sum may have brought back."""
        if self.owed is None:
            return
        back = self.owed.find_back(self._mark, units, at - self._at)
        if any(back):
            self.words.append(f"{self.origin.name} rose by {sum(back):,} that may have been lost")
            self.owed, self._mark = self.owed.pay(back), tuple(map(add, self._mark, back))

    def _owe(self, at: float, units: Units, index: int) -> int:
        """Count nothing of a fall of a sum; remember what it fell by."""
        text = f"{self.origin.name} fell from {sum(self._mark):,} to {sum(units):,}"
        self.words.append(f"{text}: a sum falls where one of its members is lost")
        self.remembered = max(self.remembered or 0.0, at + AGAIN * (at - self._at))
        self._move_to(at, units)
        return index + 1

    def _move_to(self, at: float, units: Units) -> None:
        """Go on from another level, of which nothing is counted."""
        if self.is_sum:
            self.owed = owe(self.owed, self._mark, units, at - self._at)
        self._at, self._mark, self.is_held = at, units, False

    def _confirm(self, points: Sequence[Point], index: int) -> int:
        """Count a fall that may be a restart, though no start time explains it.

        Where start times are known and show none, and soon after the baseline, it has to go on as
        after a restart, or its siblings do. Raises EvidenceError as long as nobody can tell.
        """
        at, units = points[index]
        seconds = self._measure_gap(points, index)
        if self.siblings.doubt(self._at, at):
            return self._resolve(points, index, is_fall=True)
        self.remembered = max(self.remembered or 0.0, at + AGAIN * seconds)
        if self._has_to_last(at, units) and not self.siblings.go_on(self._at, at):
            text = f"{self.origin.name} fell from {sum(self._mark):,} to {sum(units):,}"
            for later in range(index + 1, len(points)):
                if falls(points[later - 1], points[later], self.pace):
                    return self._doubt_again(points, later)
                if self._is_back_at_once(points, index, later):
                    self._is_doubted_again(at)
                    self.words.append(f"{text}, and back")
                    return later
                if points[later][0] - at >= SETTLED * seconds:
                    is_back = all(map(ge, points[later][1], self._mark))
                    is_even = _is_even(points[index : later + 1])
                    if not self._has_start and (is_back or not is_even):
                        return self._doubt_again(points, later)
                    break
            else:
                raise EvidenceError(f"{text}: the scrapes after it tell whether it began again")
        if not self._has_start:
            self.left = Left(at, self._mark, units)
        self._begin_again(at, units)
        return index + 1

    def _find_back(self, at: float, units: Units) -> Left | None:
        """Return the fall that counted, if it is made good with all that fell beside it.

        A fall counts while start times are known only if they explain it, or if it lasted.
        """
        if self.remembered is None or at > self.remembered or self._has_start:
            self.left = None
        if self.left is not None and all(map(ge, self._mark, self.left.level)):
            self.left = None  # it has grown past that by itself
        left = self.left
        if left is None or not left.is_made_good(self._mark, units):
            return None
        return left if self.siblings.are_back(left.at, at) else None

    def _go_back(self, left: Left, at: float, units: Units) -> None:
        """Go on from before a fall: another process had answered, and what it showed was its own.

        What that one served since the fall stays counted.
        """
        self._end_run()
        self._is_doubted_again(at)
        self.words.append(f"{self.origin.name} fell to {sum(left.low):,}, and back")
        self.left, self._mark, self.is_held = None, left.level, False
        if may_follow_restart(sum(units) - sum(left.level), at - self._at, self.pace):
            self._rise(at, units)
        else:
            self._at, self._mark = at, units
        self._take_off(left.low)

    def _take_off(self, units: Units) -> None:
        """Take what was counted too much off this look's units; an earlier look's stay counted."""
        self._total = tuple(max(0, own - off) for own, off in zip(self._total, units, strict=True))

    def _is_back_at_once(self, points: Sequence[Point], index: int, later: int) -> bool:
        """Whether a fall at `index` is made good at `later`, and most of it in one gap."""
        (_, low), (_, before), (_, after) = points[index], points[later - 1], points[later]
        if not all(map(ge, after, self._mark)):
            return False
        return sum(after) - sum(before) >= AT_ONCE * (sum(self._mark) - sum(low))

    def _doubt_again(self, points: Sequence[Point], index: int) -> int:
        """Take a second fall for another process that answers."""
        at = points[index][0]
        self._has_doubted = True
        self.remembered = at + REMEMBERED * (at - points[index - 1][0])
        return self._begin_anew(points, index)

    def _is_known_reset(self, at: float, units: Units) -> bool:
        """Whether evidence says that the counter stood at 0 meanwhile, and what it shows fits."""
        is_zero = self.origin.zero_between(self._at, at) is not None
        return is_zero and self._may_restart(units, at - self._at)

    @property
    def _has_start(self) -> bool:
        """Whether it is known when the process, or the counter, began."""
        return self.origin.by in {"start", "created", "other"}

    def _classify(self, at: float, units: Units) -> Change:
        seconds, is_known = at - self._at, self._has_start
        if self._is_known_reset(at, units):
            return "reset"
        change = classify(self._mark, units, seconds, self.pace, is_up=is_known)
        if change == "rise" and self.owed is not None:
            # Where several members were lost at once, one of them may come back by itself.
            gained, own = sum(units) - sum(self._mark), self.own_pace or self.pace
            change = "rise" if may_follow_restart(gained, seconds, own) else "leap"
        if self.remembered is not None and at <= self.remembered:
            return self._classify_again(change, units, seconds)
        if change == "leap" and self.origin.by == "start":
            return "rise"  # one process, and its own start times say so
        return change

    def _classify_again(self, change: Change, units: Units, seconds: float) -> Change:
        """Classify more strictly, soon after a change that might be another process."""
        old, new = sum(self._mark), sum(units)
        if change == "reset":
            return "fall"
        if change == "rise" and not may_follow_restart(new - old, seconds, self.pace):
            return "leap"
        return change

    def _may_restart(self, units: Units, seconds: float) -> bool:
        """Whether a restart that is known explains the change of this series too."""
        if may_follow_restart(sum(units), seconds, self.pace):
            return True
        has_fallen = not all(map(ge, units, self._mark))
        return has_fallen and bool(self.pace) and not is_leap(sum(units), seconds, self.pace)

    def _rise(self, at: float, units: Units) -> None:
        gained = tuple(map(sub, units, self._mark))
        self._total = tuple(map(add, self._total, gained))
        self._run.append((sum(gained), at - self._at))
        self._at, self._mark = at, units

    def _end_run(self) -> None:
        """Learn the pace of what was served since the last restart.

        Where none is known yet, only a counter that rises evenly teaches one.
        """
        units, seconds = (sum(own) for own in zip(*self._run, strict=True)) if self._run else (0, 0)
        teaches = bool(self.pace) or not has_leap(self._run)
        if seconds and teaches and not self._has_doubted:
            self.pace = max(self.pace, units / seconds)
            self.own_pace = max(self.own_pace, units / seconds) if self.is_sum else 0.0
        self._run = []

    def _resolve(self, points: Sequence[Point], index: int, *, is_fall: bool) -> int:
        """Resolve a doubt by the samples after it, or raise."""
        at, units = points[index]
        seconds, old, new = at - self._at, sum(self._mark), sum(units)
        has_settled = points[-1][0] - at >= SETTLED * self._measure_gap(points, index)
        if not is_fall and has_settled and _lasts(points[index:], (new - old) / seconds):
            self.pace, self.is_held = (new - old) / seconds, False
            self._rise(at, units)
            return index + 1
        if self._is_doubted_again(at):
            return self._begin_anew(points, index)
        text = f"{self.origin.name} {'fell' if is_fall else 'leapt'} from {old:,} to {new:,}"
        if is_fall and (back := find_back(points, index, self._mark, self.pace)) is not None:
            self.words.append(f"{text}, and back")
            return back
        if not has_settled:
            raise EvidenceError(f"{text} in {seconds:.3g} s: no process counts like that")
        if is_fall and self._is_early(at) and not _is_even(points[index:]):
            return self._begin_anew(points, index)
        self.words.append(f"{text}, which is not counted")
        self._move_to(at, units)
        return index + 1

    def _measure_gap(self, points: Sequence[Point], index: int) -> float:
        """Return the seconds between two scrapes at a change, by the gap before and the one after.

        Where two servers' samples are merged, the gap from one's to the other's says too little.
        """
        at, _ = points[index]
        following = points[index + 1][0] - at if index + 1 < len(points) else 0.0
        return max(at - self._at, following)

    def _is_doubted_again(self, at: float) -> bool:
        """Remember a doubt; return whether it is the second: several processes may answer."""
        is_again = self._has_doubted or (self.remembered is not None and at <= self.remembered)
        self._has_doubted = True
        self.remembered = at + REMEMBERED * (at - self._at)
        return is_again

    def _begin_anew(self, points: Sequence[Point], index: int) -> int:
        """Take a baseline after several doubts, once the last one is long ago; else raise."""
        (at, units), (end, _) = points[index], points[-1]
        jump = f"{self.origin.name} keeps jumping, from {sum(self._mark):,} to {sum(units):,}"
        if self.remembered is None or end < self.remembered:
            raise EvidenceError(f"{jump}: {CHANGING if self.is_sum else SEVERAL}")
        self.words.append(f"{jump}; it is counted from there")
        self._move_to(at, units)
        self.stand((at, units))
        return index + 1


def _is_even(points: Sequence[Point]) -> bool:
    """Whether no gap is a leap by the slowest: several workers may still answer in rising order."""
    gains = [
        (sum(after) - sum(before), end - at) for (at, before), (end, after) in pairwise(points)
    ]
    return not has_leap(gains)


def _lasts(points: Sequence[Point], pace: float) -> bool:
    """Whether a leap's pace, in units per second, goes on in every gap after it."""
    return all(
        sum(after) - sum(before) >= _CONFIRMED * pace * (end - start)
        for (start, before), (end, after) in pairwise(points)
    )
