"""Structured logs: JSON lines to a file or to standard error."""

import logging
import sys
from pathlib import Path
from typing import Any, Final

import structlog

from phoserve.administration.keys import hide_secrets

_JSON: Final = structlog.processors.JSONRenderer(ensure_ascii=False)


def configure_logs(file: Path | None = None) -> None:
    """Write every log record, including those of libraries, as a JSON line to `file` or to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler: logging.Handler = logging.FileHandler(file, delay=True) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _render,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level="INFO", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every call of the Qdrant client
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _render(logger: Any, method: str, line: structlog.typing.EventDict) -> str:
    return hide_secrets(str(_JSON(logger, method, line)))
