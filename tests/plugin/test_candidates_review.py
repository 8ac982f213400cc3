"""What a review found: verdicts that a candidate could get without deserving them."""

import sys

import pytest

from mmowner_reference import Kernel, parse_program
from pytest_mmowner import CandidateError, ConformanceFailure, Refused, Untestable, check
from pytest_mmowner._candidates.tracker import Tracker
from pytest_mmowner._session import Session
from pytest_mmowner.assertions import _opened, assert_conforms, close_opened

FAMILY = "clone(1, 2, mm=2)\nclone(2, 3, VM)"
ILLEGAL = parse_program("exit(8)")[0]


class Hosted:
    """A tracker that is right: the reference under another interface, refusals included."""

    extras = ("refuse",)

    def __init__(self):
        self.world = Kernel("6.11")

    def clone(self, task, child, flags, mm):
        self._do(
            f"clone({task}, {child}{', ' + '|'.join(flags) if flags else ''}{f', mm={mm}' if mm else ''})"
        )

    def exit(self, task):
        self._do(f"exit({task})")

    def _do(self, text):
        try:
            self.world.run(parse_program(text))
        except ValueError as exc:
            raise Refused(str(exc)) from exc

    def owner(self, mm):
        return self.world.owner(mm)


def session(factory):
    return Session(Tracker("t", factory, None), "6.11")


def test_a_right_candidate_that_refuses_passes():
    session(Hosted).must_refuse("INPUT-01", FAMILY, ILLEGAL)


def test_a_right_candidate_that_only_knows_processes_passes_too():
    class Processes(Hosted):
        def owner(self, mm):
            name = super().owner(mm)
            return None if name is None else {"process": name}

    session(Processes).must_refuse("INPUT-01", FAMILY, ILLEGAL)


def test_refusing_everything_is_a_failure_and_not_our_error():
    class Refuses(Hosted):
        def clone(self, task, child, flags, mm):
            raise Refused("no")

    with pytest.raises(ConformanceFailure, match="it was not performed: refused: no"):
        session(Refuses).must_refuse("INPUT-01", FAMILY, ILLEGAL)


def test_a_malformed_answer_after_a_refusal_is_an_error():
    class Confused(Hosted):
        def _do(self, text):
            try:
                super()._do(text)
            except Refused:
                self.owner = lambda mm: "nobody"
                raise

    with pytest.raises(CandidateError, match="its answer to owner"):
        session(Confused).must_refuse("INPUT-01", FAMILY, ILLEGAL)


def test_programs_that_are_cut_off_are_no_reason_for_not_applicable():
    class Half(Hosted):
        def owner(self, mm):
            if mm > 1:
                raise Untestable("no probe for that")
            return super().owner(mm)

    campaign = session(Half).campaign
    with pytest.raises(Untestable, match="no probe for that"):
        campaign.holds("EXEC-01")
    assert campaign.cut > 100


def test_a_tracker_that_exits_the_interpreter_is_an_error():
    class Exits(Hosted):
        def exit(self, task):
            sys.exit(3)

    assert "EXIT-01" in check(Exits, level="safety").with_verdict("error")


def test_a_tracker_that_swallows_everything_is_stopped_all_the_same():
    class Swallows(Hosted):
        def exit(self, task):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    if sys.exc_info()[0].__name__ == "_TooLong" and self.tired():
                        raise

        def tired(self):
            self.caught = getattr(self, "caught", 0) + 1
            return self.caught > 3

    driver = Tracker("t", Swallows, None)
    driver.patience = 0.1
    driver.reset()
    driver.perform(parse_program("clone(1, 2, mm=2)")[0])
    with pytest.raises(CandidateError, match="did not return within"):
        driver.perform(parse_program("exit(2)")[0])


def test_an_error_that_is_raised_again_does_not_grow():
    class Broken(Hosted):
        def clone(self, task, child, flags, mm):
            raise OSError("disk full")

    campaign = session(Broken).campaign
    depths = []
    for _ in range(5):
        with pytest.raises(CandidateError) as caught:
            campaign.holds("FORK-01")
        trace, depth = caught.value.__traceback__, 0
        while trace is not None:
            trace, depth = trace.tb_next, depth + 1
        depths.append(depth)
    assert len(set(depths)) == 1


def test_what_assert_conforms_opened_can_be_closed(root):
    assert_conforms(f"cmd:{sys.executable} {root}/examples/python/adapter.py", FAMILY)
    assert _opened
    close_opened()
    assert not _opened
