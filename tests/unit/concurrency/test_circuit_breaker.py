from phoserve.concurrency.circuit_breaker import FAILURES_TO_OPEN, FIRST_PAUSE_S, CircuitBreaker, State


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.begin()
        breaker.failed()
    return breaker, clock


def test_a_few_failures_are_forgiven() -> None:
    breaker = CircuitBreaker(Clock())
    for _ in range(5):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.failed()
        breaker.succeeded()
    assert breaker.allows()


def test_it_opens_after_failures_in_a_row() -> None:
    breaker, _ = opened()
    assert breaker.state is State.OPEN
    assert not breaker.allows()


def test_after_a_pause_one_probe_is_let_through_and_closes_it() -> None:
    breaker, clock = opened()
    clock.now = FIRST_PAUSE_S
    assert breaker.allows()
    breaker.begin()
    assert breaker.state.value == "half_open"
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.state.value == "closed"
    assert breaker.allows()


def test_a_failed_probe_doubles_the_pause() -> None:
    breaker, clock = opened()
    clock.now = FIRST_PAUSE_S
    breaker.begin()
    breaker.failed()
    clock.now += FIRST_PAUSE_S
    assert not breaker.allows()
    clock.now += FIRST_PAUSE_S
    assert breaker.allows()
