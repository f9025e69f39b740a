"""The books prove themselves: every check recomputes what the tables claim, and names what differs."""

from app.services.verify.checks import Check, Problem, Report, Result, checks
from app.services.verify.runs import run

__all__ = ["Check", "Problem", "Report", "Result", "checks", "run"]
