"""The queue against a plain list."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from phoserve.serving.queue import Job, JobQueue

TIMES = st.integers(0, 5).map(float)


class QueueMachine(RuleBasedStateMachine):
    """Any sequence of operations leaves the queue equal to a plain list that is sorted and searched each time."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = JobQueue()
        self.jobs: list[Job] = []
        self.now = 0.0

    @rule(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3), due=TIMES, deadline=st.none() | TIMES)
    def add(self, lengths: list[int], due: float, deadline: float | None) -> None:
        deadline_s = float("inf") if deadline is None else self.now + deadline
        ids = np.zeros(sum(lengths), np.int32)
        job = Job(ids=ids, lengths=np.array(lengths, np.int32), due_s=due, deadline_s=deadline_s, arrived_s=self.now)
        self.queue.add(job)
        self.jobs.append(job)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        job, row = data.draw(st.sampled_from([(job, row) for job in self.waiting() for row in job.waiting]))
        self.queue.take(job, row)

    @precondition(lambda self: self.taken())
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        job, row = data.draw(st.sampled_from(self.taken()))
        self.queue.put_back(job, row)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        self.queue.discard(job)
        self.queue.discard(job)
        self.jobs.remove(job)

    @rule(seconds=TIMES)
    def expire(self, seconds: float) -> None:
        self.now += seconds
        expected = [job for job in self.waiting() if job.deadline_s <= self.now]
        assert set(self.queue.expired(self.now)) == set(expected)
        for job in expected:
            self.queue.discard(job)
            self.jobs.remove(job)

    @rule(before=TIMES)
    def find_for_fallback(self, before: float) -> None:
        found = [job for job in self.waiting() if job.fallback_only or job.arrived_s <= self.now - before]
        assert self.queue.for_fallback(self.now - before) == sorted(found, key=urgency)

    @invariant()
    def the_order_and_the_tokens_are_right(self) -> None:
        waiting = self.waiting()
        assert list(self.queue) == sorted(waiting, key=urgency)
        assert len(self.queue) == len(waiting)
        assert self.queue.waiting_tokens == sum(job.tokens[row] for job in waiting for row in job.waiting)
        assert all((job in self.queue) == bool(job.waiting) for job in self.jobs)

    def waiting(self) -> list[Job]:
        return [job for job in self.jobs if job.waiting]

    def taken(self) -> list[tuple[Job, int]]:
        return [(job, row) for job in self.jobs for row in range(len(job.tokens)) if row not in job.waiting]


def urgency(job: Job) -> tuple[float, int]:
    return job.due_s, job.number


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=30)
