#!/usr/bin/env python3
"""Runs client libraries and command-line tools against a server, the way apps and people use them.

    run.py HOST PORT [--auth-port PORT --password WORD]     a server that runs already; it must be empty
    run.py --server-cmd "CMD --port {port}"                 starts and stops servers itself, for each lane two, one of them with a password

Each driver, a file of use cases for one client, is a process of its own which prints one JSON line for each use case; a driver which
dies or hangs fails every use case it had planned and not reported. What a server cannot do yet stands in later.txt and nowhere else.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LIBRARY_PATH = str(HERE / "python" / "lib")
# The slowest driver takes about forty seconds on a busy machine; its use cases have a limit of their own. The drill with full memory
# may be made longer.
DRIVER_PATIENCE = 180 * max(1, int(os.environ.get("CLIENT_TEST_LIMIT_MIB", 8)) / 8)

# Which clients there are, and where the drivers of each lie. A protocol of its own makes a client of its own, since every reply has
# another shape then.
CLIENTS = {
    "ioredis6": "node/ioredis",
    "ioredis6-resp2": "node/ioredis",
    "ioredis5": "node/ioredis",
    "node-redis": "node/node-redis",
    "node-redis-resp2": "node/node-redis",
    "connect-redis9": "node/sessions",
    "connect-redis7": "node/sessions",
    "keyv": "node/keyv",
    "socket.io": "node/socketio",
    "bullmq6": "node/bullmq",
    "bullmq5": "node/bullmq",
    "bull4": "node/bull",
    "bee-queue": "node/bee-queue",
    "redlock": "node/redlock",
    "rate-limiter-flexible": "node/rate-limiter-flexible",
    "rate-limit-redis": "node/rate-limit-redis",
    "redis-py": "python/redis-py",
    "redis-py-resp2": "python/redis-py",
    "celery": "python/celery",
    "rq": "python/rq",
    "redis-cli": "cli",
    "valkey-cli": "cli",
}

# What these clients want besides the server they share: so many empty ones of their own, which they may stop and end.
SPARES = {"redlock": 3, "bullmq6": 1, "bullmq5": 1}

# Drivers wait most of their time, so more of them than there are processors run at once, each lane with servers of its own. Not more
# than that: the time at which something happens is judged, too.
LANES = 3

# These take the longest, and begin first, so that no lane is still at one of them when the others are done.
LONG = ["celery", "rq", "bull4", "bullmq6", "bullmq5"]


def main():
    args = parse_arguments()
    # Ended from outside we must still stop what we started, which an exception does and a signal would not.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally = Tally()
    clients = install([name for name in CLIENTS if not args.only or name in args.only], tally)
    later = read_later(HERE / "later.txt")
    work = [(client, driver) for client in clients for driver in drivers(HERE / CLIENTS[client])]
    work.sort(key=lambda entry: entry[0] not in LONG)
    with servers(args, tally) as targets:
        lanes = [threading.Thread(target=run_lane, args=(work, target, [] if args.all else later, args.use_cases, tally)) for target in targets]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
    if not args.only and not args.use_cases and not args.all:
        # A use case without a driver has nobody else to say that it is missing.
        for entry in later:
            if entry["use_case"] not in tally.seen_later:
                tally.add("later", entry["use_case"] + " " + entry["title"], "skipped", 0, "waits for " + entry["waits_for"])
    print(f"clients: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    # A run in which nothing was tested must not look like a success.
    return 1 if tally.failed or not tally.passed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?", metavar="HOST")
    parser.add_argument("port", nargs="?", type=int, metavar="PORT")
    parser.add_argument("--auth-port", type=int, metavar="PORT", help="a second server, which wants a password")
    parser.add_argument("--password", metavar="WORD")
    parser.add_argument("--server-cmd", metavar="CMD", help="starts a server; {port} and, where it is named, {dir} are filled in")
    parser.add_argument("--lanes", type=int, default=LANES, metavar="N", help=f"with --server-cmd: so many drivers run at once, {LANES} unless told otherwise")
    parser.add_argument("--only", nargs="+", choices=list(CLIENTS), metavar="CLIENT", help=", ".join(CLIENTS))
    parser.add_argument("--use-cases", nargs="+", metavar="ID", help="B13 stands for all its parts, B13.getdel for one")
    parser.add_argument("--all", action="store_true", help="run what later.txt puts off, too")
    parser.add_argument("--flush", action="store_true", help="empty the servers even when they hold keys")
    args = parser.parse_args()
    if bool(args.server_cmd) == bool(args.port):
        parser.error("give either HOST and PORT, or --server-cmd")
    if args.server_cmd and "{port}" not in args.server_cmd:
        parser.error("--server-cmd must say where {port} goes")
    if bool(args.auth_port) != bool(args.password):
        parser.error("--auth-port and --password belong together")
    return args


class Tally:
    """Prints each result as it comes, and counts."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.seen_later = set()
        # Nothing more is to be run.
        self.over = False
        self.lock = threading.Lock()

    def add(self, client, use_case, result, milliseconds, note=None):
        word = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[result]
        line = f"{word} {client:<21} {use_case}" + (f"  [{milliseconds} ms]" if result != "skipped" else "") + (f"\n       {note}" if note else "")
        with self.lock:
            setattr(self, result, getattr(self, result) + 1)
            print(line, flush=True)


def read_later(path):
    """Lines of three columns between bars: the use case, what it is about, what it waits for."""
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            columns = [column.strip() for column in line.split("|")]
            if len(columns) != 3 or not all(columns):
                sys.exit(f"later.txt:{number}: wanted: use case | title | what it waits for")
            entries.append(dict(zip(["use_case", "title", "waits_for"], columns)))
    return entries


# --- installing ---


def install(clients, tally):
    """Installs what is missing, once, into folders which git ignores. Hands back the clients that can be run here."""
    usable = []
    for client in clients:
        kind = CLIENTS[client].split("/")[0]
        reason = {"node": need_node, "python": need_python}.get(kind, lambda: None)()
        if reason:
            tally.add(client, "all use cases", "skipped", 0, reason)
        else:
            usable.append(client)
    return usable


def once(function):
    answers = []

    def ask():
        if not answers:
            answers.append(function())
        return answers[0]

    return ask


@once
def need_node():
    if not shutil.which("npm") or not shutil.which("node"):
        return "node and npm are not on the PATH"
    return installed(HERE / "node" / "package-lock.json", HERE / "node" / "node_modules", lambda: call("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=HERE / "node"))


@once
def need_python():
    def make():
        call(sys.executable, "-m", "venv", "--clear", str(VENV))
        call(str(VENV_PYTHON), "-m", "pip", "install", "--quiet", "--requirement", str(HERE / "python" / "requirements.txt"))

    return installed(HERE / "python" / "requirements.txt", VENV, make)


def installed(wanted, folder, make):
    """Runs `make` unless the folder was made for exactly these wanted versions, which a copy of the file in it tells."""
    stamp = folder / ".installed-for"
    if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
        print(f"installing what {wanted.relative_to(HERE)} asks for", flush=True)
        try:
            make()
        except subprocess.CalledProcessError as error:
            sys.exit(f"{shlex.join(error.cmd)} failed:\n{error.stdout}")
        shutil.copyfile(wanted, stamp)
    return None


def call(*command, cwd=None):
    subprocess.run(command, cwd=cwd, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


# --- servers ---


class Server:
    """A server of our own, in a folder that is thrown away, ended by its pid."""

    def __init__(self, server_cmd, name, *more):
        self.name, self.port = name, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"clients-{name.replace(' ', '-')}-"))
        self.log = self.folder / "log"
        command = [word.replace("{port}", str(self.port)).replace("{dir}", str(self.folder)) for word in words_of(server_cmd)]
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen([*command, *more], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    words = self.last_words()
                    self.stop()
                    raise RuntimeError(f"the {name} server does not listen on port {self.port}:\n{words}") from None
                time.sleep(0.02)

    def stop(self, tally=None, expendable=False):
        self.process.terminate()
        # A driver may have stopped it to see what its client does then.
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Redis and Russet end with 0 when asked to stop, and a program which does not listen for it with the signal. A panic need not
        # end the server, nor fail a use case, and is a fault all the same.
        fine = [0, -signal.SIGTERM] + ([-signal.SIGKILL] if expendable else [])
        if tally and (self.process.returncode not in fine or "panicked at" in self.log.read_text(errors="replace")):
            tally.add("server", self.name, "failed", 0, f"ended with {self.process.returncode}, its last words: {self.last_words()}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def last_words(self):
        return self.log.read_text(errors="replace")[-2000:]


def words_of(server_cmd):
    """The command's words. Relative paths mean the caller's folder, yet nothing that a server writes may land there."""
    program, *words = shlex.split(server_cmd)
    return [os.path.abspath(shutil.which(program) or program), *words]


class servers:
    """The servers to test: those named on the command line, or for each lane two of our own, stopped at the end."""

    def __init__(self, args, tally):
        self.args, self.tally = args, tally
        self.started, self.borrowed = [], None

    def __enter__(self):
        args = self.args
        if not args.server_cmd:
            target = Target(args.host, args.port, args.auth_port, args.password)
            target.refuse_if_used(args.flush)
            self.borrowed = target
            return [target]
        try:
            return [self.lane(number) for number in range(1, args.lanes + 1)]
        except RuntimeError as error:
            self.__exit__()
            sys.exit(str(error))
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        # The lanes which still run, because we are being ended, must not take the end of their servers for a fault.
        self.tally.over = True
        if self.borrowed:
            # Left as it was found, so that the next run is not refused.
            self.borrowed.empty()
        for server in self.started:
            server.stop(self.tally)

    def lane(self, number):
        password = "s3cret-word"
        plain = self.start(f"plain {number}")
        guarded = self.start(f"guarded {number}", "--requirepass", password)
        return Target("127.0.0.1", plain.port, guarded.port, password, [plain.process, guarded.process], self.args.server_cmd)

    def start(self, *args):
        self.started.append(Server(self.args.server_cmd, *args))
        return self.started[-1]


class Target:
    def __init__(self, host, port, auth_port=None, password=None, processes=(), server_cmd=None):
        self.processes, self.server_cmd = processes, server_cmd
        self.host, self.port, self.auth_port, self.password = host, port, auth_port, password

    def gone(self):
        return any(process.poll() is not None for process in self.processes)

    def both(self):
        yield self.port, None
        if self.auth_port:
            yield self.auth_port, self.password

    def refuse_if_used(self, flush):
        """The drivers empty the server again and again: not to be done to somebody's data by a mistyped port."""
        for port, password in self.both():
            keyspace = ask(self.host, port, password, "INFO", "keyspace")
            if not flush and re.search(rb"^db\d+:", keyspace, re.M):
                sys.exit(f"{self.host}:{port} holds keys; --flush empties it")

    def empty(self):
        for port, password in self.both():
            ask(self.host, port, password, "FLUSHALL")


def ask(host, port, password, *command):
    """One command over a socket of its own: the runner must not depend on a client it tests."""
    lines = []
    if password:
        lines.append(("AUTH", password))
    lines += [command, ("QUIT",)]
    request = b"".join(b"*%d\r\n" % len(line) + b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in line) for line in lines)
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(request)
        reply = b""
        while piece := connection.recv(65536):
            reply += piece
    if re.search(rb"^-", reply, re.M):
        raise RuntimeError(f"{command} on port {port}: {reply!r}")
    return reply


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- drivers ---


def drivers(folder):
    """Each file of a client's folder declares use cases, but for the helper beside the tools."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".mjs", ".py") and path.name != "cli.py")


def run_lane(work, target, later, use_cases, tally):
    """Takes drivers from the list, which is shared, until there are none."""
    while not tally.over:
        try:
            client, driver = work.pop(0)
        except IndexError:
            return
        run_driver(client, driver, target, later, use_cases, tally)


def run_driver(client, driver, target, later, use_cases, tally):
    name = f"{driver.parent.name}/{driver.name}"
    spares = []
    try:
        target.empty()
        if target.server_cmd:
            for number in range(SPARES.get(client, 0)):
                spares.append(Server(target.server_cmd, f"spare {number + 1} of {client}"))
    except (OSError, RuntimeError) as error:
        if not tally.over:
            # Nothing after this can be judged, and one line says it better than a hundred.
            tally.over = True
            tally.add(client, name, "failed", 0, f"the server cannot be emptied, nothing is run from here on: {error}")
    else:
        talk_to_driver(client, driver, name, target, spares, later, use_cases, tally)
    for spare in spares:
        spare.stop(tally, expendable=True)


def talk_to_driver(client, driver, name, target, spares, later, use_cases, tally):
    job = {
        "client": client,
        "host": target.host,
        "port": target.port,
        "authPort": target.auth_port,
        "password": target.password,
        "spares": [{"host": target.host, "port": spare.port, "pid": spare.process.pid} for spare in spares],
        "program": words_of(target.server_cmd) if target.server_cmd else None,
        "later": later,
        "use_cases": use_cases or [],
    }
    environment = {**os.environ, "CLIENT_TEST": json.dumps(job), "PYTHONPATH": LIBRARY_PATH, "PYTHONDONTWRITEBYTECODE": "1"}
    if driver.suffix == ".mjs":
        command = ["node", "--no-deprecation", str(driver)]
    else:
        python = VENV_PYTHON if driver.parent.parent.name == "python" else Path(sys.executable)
        command = [str(python), "-W", "ignore::DeprecationWarning", str(driver)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    errors, noise, plan = [], [], None
    watchdog = threading.Thread(target=watch, args=(process, target))
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    watchdog.start()
    reader.start()
    try:
        for line in process.stdout:
            message = parse(line)
            if message is None:
                noise.append(line)
            elif "absent" in message:
                tally.add(client, name, "skipped", 0, message["absent"])
                plan = []
            elif "plan" in message:
                plan = message["plan"]
            else:
                if message["use_case"] in (plan or []):
                    plan.remove(message["use_case"])
                note = message.get("note")
                if message["result"] == "skipped" and note and note.startswith("later: "):
                    tally.seen_later.update(entry["use_case"] for entry in later if covers(entry["use_case"], message["use_case"].split(" ")[0]))
                tally.add(client, message["use_case"], message["result"], message["ms"], note)
        process.wait()
    finally:
        process.kill()
        watchdog.join()
        reader.join()
    last_words = ("".join(noise) + "".join(errors)).strip()[-1500:]
    if plan is None:
        tally.add(client, name, "failed", 0, f"the driver did not start: {last_words}")
    elif process.returncode != 0 and not plan:
        tally.add(client, name, "failed", 0, f"the driver ended with {process.returncode}: {last_words}")
    for use_case in plan or []:
        tally.add(client, use_case, "failed", 0, f"the driver ended with {process.returncode} before this was done: {last_words}")


def watch(process, target):
    """Ends a driver that hangs, or whose server is gone: each of its use cases would wait out its whole patience."""
    waited, last = 0.0, time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        # A machine that stood still, as virtual ones do now and then, has taken the driver's time as well.
        waited, last = waited + min(now - last, 1.0), now
        if target.gone() or waited > DRIVER_PATIENCE:
            # A moment for what it is just about to report.
            time.sleep(0.5)
            process.kill()
            return
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            pass


def parse(line):
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and {"plan", "absent", "use_case"} & set(message) else None


def covers(entry, use_case_id):
    return use_case_id == entry or use_case_id.startswith(entry + ".")


if __name__ == "__main__":
    sys.exit(main())
