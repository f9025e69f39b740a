"""A worker process of Granian's that answers with a WSGI application through the bridge."""

import threading
from collections.abc import Callable
from typing import Any

from granian._granian import ASGIWorker, CallbackScheduler
from granian._signals import set_sync_signals
from granian.server.common import WORKERS_METHODS
from granian.server.mp import WorkerProcess

from app.serving.bridge import Application, Bridge


class Loop:
    """What Granian takes for an event loop: it calls back at once, on the thread that has the result."""

    @staticmethod
    def call_soon(callback: Callable[[Any], None], future: Any, *, context: object = None) -> None:
        """Call back; also where Granian asks for `call_soon_threadsafe`."""
        callback(future)

    call_soon_threadsafe = call_soon


def serve(
    worker_id: int, application: Application, sock: Any, ipc: Any, _loop: Any, mode: Any, *options: Any
) -> None:
    """Serve until a signal says stop. The arguments are those of Granian's own WSGI worker, in its order."""
    *sizes, _task, http_mode, http1, http2, _websockets, files, _log, tls, _scope, metrics = options
    signal, stopped = set_sync_signals(), threading.Event()  # type: ignore[no-untyped-call]
    signal.add_cb(stopped.set)
    # The published types are behind: Granian itself makes both with these arguments.
    worker = ASGIWorker(  # type: ignore[call-arg]
        worker_id, sock, ipc, *sizes, http_mode, http1, http2, False, files, *tls, metrics
    )
    scheduler = CallbackScheduler(Loop, None, None, None, None)  # type: ignore[call-arg]
    scheduler._schedule_fn = Bridge(application).begin  # type: ignore[attr-defined]
    listen = getattr(worker, WORKERS_METHODS[mode][(sock[0] or sock[1]).is_uds()])
    listen(scheduler, Loop, signal)
    stopped.wait()


run_worker = WorkerProcess.wrap_target(serve)  # type: ignore[no-untyped-call]
