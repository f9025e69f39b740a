"""Start everything in order, restart what dies, stop everything: what `make run` is."""

import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from app.embedded.accounts import CannotStart
from app.embedded.children import PRODUCT, Command, Program
from app.embedded.house import House, names_of_settings, open_house, why_not_writable
from app.embedded.logtail import LogTail
from app.embedded.options import Options, lets_choose_a_name, parse
from app.embedded.processes import Child
from app.embedded.stores import Stores, open_stores

ROOT = Path(__file__).resolve().parents[2]
TICK_SECONDS = 0.1
READY_WITHIN_SECONDS = 180
DEATHS_BEFORE_GIVING_UP = 4


class Stopped(Exception):
    """Somebody asked us to stop while something was still starting."""


@dataclass
class Supervisor:
    """The children of one run and the wish to stop."""

    options: Options
    program: Program
    house: House
    stores: Stores
    children: list[Child] = field(default_factory=list)
    tails: list[LogTail] = field(default_factory=list)
    signals: int = 0

    def run(self) -> None:
        """Start everything, keep it running until SIGINT or SIGTERM, and stop it.

        Raises:
            CannotStart: something did not come up.
            Stopped: a signal came before everything was up.
        """
        started = time.monotonic()
        environment = self._environment()
        say("Starting PostgreSQL and Redis" if self.stores.children else "Using DATABASE_URL and REDIS_URL")
        self._follow([*self.stores.children])
        self.stores.start()
        as_owner = {**environment, "OWNER_DATABASE_URL": self.stores.owner_url}
        self.house.announce({**self._announced(as_owner), "sockets": self._sockets()})
        self._step("Bringing the tables up to date", "migrate", self.program.migrate, as_owner)
        self._seed_once(environment)
        self._start_children(environment)
        self._wait_until_ready()
        say(self._welcome(time.monotonic() - started, environment))
        while not self.signals:
            self._tick()
            time.sleep(TICK_SECONDS)
        say("Stopping")

    def stop(self) -> None:
        """Stop the product's processes, then the data stores, each first asked and then killed."""
        own = [child for child in self.children if child not in self.stores.children]
        for child in own:
            child.ask_to_stop()
        for child in own:
            child.wait_stopped(hurry=lambda: self.signals > 1)
        self.stores.stop()
        self.house.withdraw()

    def on_signal(self, *_: object) -> None:
        """Note that a signal came; the second one makes us impatient."""
        self.signals += 1

    def _seed_once(self, environment: dict[str, str]) -> None:
        """Load the demo data on the first start, and never into a database that somebody brought along."""
        if self.house.seeded.exists():
            return
        if self.stores.postgres is None:
            say("No demo data is loaded into the database of DATABASE_URL; `flask seed` does it")
            return
        self._step("Loading the demo data (on the first start only)", "seed", self.program.seed, environment)
        self.house.seeded.touch()

    def _start_children(self, environment: dict[str, str]) -> None:
        own = [
            Child(name, self._filled(command), self.house.logs / f"{name}.log", environment, cwd=ROOT)
            for name, command in self.program.children.items()
        ]
        self._follow(own)
        for child in own:
            child.start()

    def _follow(self, children: list[Child]) -> None:
        self.children += children
        self.tails += [LogTail(child.name, child.log) for child in children]

    def _tick(self) -> None:
        """Show new errors, note who died, start again whoever's pause is over."""
        for tail in self.tails:
            for line in tail.new_errors():
                say(line)
        for child in self.children:
            status = child.reap()
            if status is not None:
                say(f"{child.name} ended ({_how(status)}); starting it again in {child.pause_seconds:g} s")
            elif child.due:
                self._start_again(child)

    def _start_again(self, child: Child) -> None:
        try:
            child.start()
        except (CannotStart, OSError) as error:
            child.plan_restart()
            say(f"{child.name} cannot start: {error}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not self._answers():
            if self.signals:
                raise Stopped
            self._tick()
            web = next(child for child in self.children if child.name == "web")
            if web.deaths >= DEATHS_BEFORE_GIVING_UP or time.monotonic() > deadline:
                raise CannotStart(f"The web server does not answer. {_end_of(web)}")
            time.sleep(TICK_SECONDS)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.options.local_host, self.options.port, timeout=2)
        try:
            connection.request("GET", self.program.ready_path)
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _step(self, title: str, name: str, command: Command, environment: dict[str, str]) -> None:
        """Run a command of the start to its end."""
        say(title)
        step = Child(name, self._filled(command), self.house.logs / f"{name}.log", environment, cwd=ROOT)
        step.start()
        try:
            while (status := step.reap()) is None:
                if self.signals:
                    raise Stopped
                time.sleep(TICK_SECONDS / 2)
        finally:
            step.ask_to_stop()
            step.wait_stopped()
        if status != 0:
            raise CannotStart(f"{title}: failed ({_how(status)}). {_end_of(step)}")

    def _filled(self, command: Command) -> Command:
        words = {
            "python": sys.executable,
            "host": self.options.host,
            "port": str(self.options.port),
            "public_url": self.options.public_url,
            "sandbox_port": str(self.options.sandbox_port),
            "data": str(self.options.data),
        }
        return tuple(part.format(**words) for part in command)

    def _environment(self) -> dict[str, str]:
        """Return the environment of the children: ours, and what we know better where ours says nothing."""
        sandbox = f"http://127.0.0.1:{self.options.sandbox_port}"
        known = {
            "SECRET_KEY": self.house.secret_key(),
            "PUBLIC_URL": self.options.public_url,
            "SANDBOX_URL": sandbox,
            "SANDBOX_PUBLIC_URL": sandbox,
        }
        if lets_choose_a_name(self.options.host, os.environ):
            known["DEVELOPMENT_SIGN_IN"] = "true"
        given = {key: value for key, value in os.environ.items() if value and key != "OWNER_DATABASE_URL"}
        return {
            **known,
            **given,
            "DATABASE_URL": self.stores.database_url,
            "REDIS_URL": self.stores.redis_url,
            "DATA_DIR": str(self.options.data),
            "PYTHONUNBUFFERED": "1",
            # `make run` has read .env already: no tip to install what reads it.
            "FLASK_SKIP_DOTENV": "1",
        }

    def _announced(self, environment: dict[str, str]) -> dict[str, str]:
        """Return the settings that a command beside us has to share, such as the key that it encrypts by."""
        names = names_of_settings(ROOT / ".env.example")
        return {name: environment[name] for name in names if name in environment}

    def _sockets(self) -> str:
        server = self.stores.postgres or self.stores.redis
        return str(server.sockets) if server else ""

    def _welcome(self, seconds: float, environment: dict[str, str]) -> str:
        url = self.options.public_url
        people = self._sign_ins() if environment.get("DEVELOPMENT_SIGN_IN") == "true" else []
        return (
            f"Ready after {seconds:.1f} s: {url}\n"
            f"  Sign in      {url}/sign-in\n"
            + "".join(f"    one click  {name} ({role})\n" for name, role in people)
            + f"  Sandbox      {environment['SANDBOX_PUBLIC_URL']} takes the payments\n"
            f"  Job queues   {url}/rq/\n"
            f"  API          {url}/api/v1/openapi.json\n"
            f"  Data, logs   {self.options.data} and {self.house.logs}\n"
            "Ctrl-C stops everything; the data stays."
        )

    def _sign_ins(self) -> list[tuple[str, str]]:
        if not self.program.sign_ins:
            return []
        with psycopg.connect(self.stores.database_url) as connection:
            return connection.execute(self.program.sign_ins).fetchall()


def main(arguments: list[str] | None = None, program: Program = PRODUCT) -> int:
    """Run until stopped; the exit status is 0 after a stop and 1 when something could not start."""
    try:
        options = parse(arguments)
        with open_house(options.data) as house, open_stores(options.data, os.environ) as stores:
            supervisor = Supervisor(options, program, house, stores)
            with _signals_to(supervisor):
                try:
                    supervisor.run()
                finally:
                    supervisor.stop()
    except Stopped:
        say("Stopped before everything was up")
    except CannotStart as problem:
        print(problem, file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print(why_not_writable(error, Path("the data directory")), file=sys.stderr, flush=True)
        return 1
    return 0


def say(text: str) -> None:
    """Print a line of ours."""
    print(text, flush=True)


def _end_of(child: Child) -> str:
    return f"The end of {child.log}:\n{child.last_words(15)}"


def _how(status: int) -> str:
    return f"exit {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


@contextmanager
def _signals_to(supervisor: Supervisor) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP ask the supervisor to stop."""
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, supervisor.on_signal) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
