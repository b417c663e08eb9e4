"""The audit log: one line for every write, successful or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from api.keys import Principal

log = structlog.get_logger("phoserve.audit")


@contextmanager
def audited(action: str, principal: Principal, **target: Any) -> Iterator[None]:
    """Log the write in the block with the caller's key. Only ids are logged, never content."""
    try:
        yield
    except BaseException as error:
        log.warning("audit", action=action, key=principal.id, outcome=type(error).__name__, **target)
        raise
    log.info("audit", action=action, key=principal.id, outcome="done", **target)
