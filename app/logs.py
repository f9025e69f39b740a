"""Structured logs: one JSON object a line, with the request's id where there is one."""

import logging
import sys

import structlog
from flask import g, has_request_context

RESERVED = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _add_extra(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    record = event.get("_record")
    if record is not None:
        event.update(
            {
                key: value
                for key, value in record.__dict__.items()
                if key not in RESERVED and not key.startswith("_")
            }
        )
    if has_request_context() and "request_id" in g:
        event["request_id"] = g.request_id
    return event


def configure(level: str) -> None:
    """Send every log record of this process to standard error as one line of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _add_extra,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
