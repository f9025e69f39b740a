"""The worker: `python -m jobs.worker [--queues metering,default] [--burst]`.

It runs registered jobs only, reads JSON only, and makes its database connections after the fork. The
intervals are short, so that a job lost with a killed worker is noticed within about a minute; its row is
found again by a sweeper long before.
"""

import logging
import os
from typing import Any

import click
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

import jobs
from app.db import db
from app.gateways import pdf
from app.queue import QUEUES
from app.registry import UnknownName, load_package
from jobs import runner

log = logging.getLogger(__name__)

WORKER_TTL_SECONDS = 30
MAINTENANCE_SECONDS = 10
MONITORING_SECONDS = 5
# On a busy machine the answers to senders and people come first.
NICENESS = 5


class RegisteredJob(Job):
    """A message from Redis, trusted as far as the registry goes: no other callable is imported for it."""

    @property
    def func(self) -> Any:
        """The job of that name.

        Raises:
            UnknownName: there is none; RQ then files the message under its failed jobs.
        """
        return runner.jobs[str(self.func_name)].run

    success_callback = failure_callback = stopped_callback = property(lambda self: None)


class JobWorker(Worker):
    """RQ's forking worker with our jobs' time limits."""

    job_class = RegisteredJob

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Fork and run one job, within the time that it declares."""
        try:
            job.timeout = runner.jobs[str(job.func_name)].timeout_seconds
        except (UnknownName, DeserializationError):
            job.timeout = MONITORING_SECONDS
        super().execute_job(job, queue)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Run in the child: no connection of the parent may be used here."""
        with runner.application().app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)


def make_worker(redis_url: str, queues: list[str]) -> JobWorker:
    """Return a worker on these queues, the first one being served first."""
    patient = Retry(ExponentialBackoff(cap=2, base=0.1), retries=5)
    redis = Redis.from_url(redis_url, retry=patient, health_check_interval=15)
    return JobWorker(
        queues,
        connection=redis,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
        job_monitoring_interval=MONITORING_SECONDS,
        log_job_description=False,
    )


@click.command()
@click.option(
    "--queues", default=",".join(QUEUES), show_default=True, help="Which queues, the first one first."
)
@click.option("--burst", is_flag=True, help="Stop when there is nothing left to do.")
def main(queues: str, burst: bool) -> None:
    """Run jobs until told to stop."""
    os.nice(NICENESS)
    load_package(jobs)
    pdf.load_engine()
    settings = runner.application().extensions["settings"]
    worker = make_worker(settings.redis_url, [name.strip() for name in queues.split(",") if name.strip()])
    worker.log_result_lifespan = False
    log.info("worker started", extra={"queues": queues})
    worker.work(burst=burst, logging_level="WARNING")


if __name__ == "__main__":
    main()
