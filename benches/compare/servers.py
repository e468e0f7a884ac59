"""Servers: where their programs are, how they are started and ended, and what the kernel knows of them.

A server is started on a free port of 127.0.0.1, without persistence, in a folder of its own, and is ended by its pid.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_PATIENCE_S = 30
REPLY_PATIENCE_S = 120


def find_program(name, given):
    """The program a person named, or the one that is installed; None if there is none."""
    if given:
        path = shutil.which(given)
        if not path:
            raise SystemExit(f"compare: {given} is no program")
        return path
    if name == "russet-server":
        built = ROOT / "target/release/russet-server"
        return str(built) if built.exists() else shutil.which(name)
    peers = Path(os.environ.get("RUSSET_PEERS", Path.home() / ".cache/russet-peers")) / "bin" / name
    return shutil.which(name) or (str(peers) if peers.exists() else None)


class Ports:
    """Free ports: whichever the kernel has, or those of a range."""

    def __init__(self, text=None):
        self.range = None
        if text:
            first, _, last = text.partition("-")
            self.range = range(int(first), int(last or first) + 1)
        self.last = None

    def free(self):
        if not self.range:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                return probe.getsockname()[1]
        # Round and round, so that a port is not needed again while its old connections still linger.
        start = 0 if self.last is None else self.range.index(self.last) + 1
        for step in range(len(self.range)):
            port = self.range[(start + step) % len(self.range)]
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self.last = port
            return port
        raise SystemExit("compare: no port is free")


class Kind:
    """A program to compare, and what it is called in the report."""

    def __init__(self, name, program, options=()):
        self.name, self.program, self.options = name, program, list(options)

    def version(self):
        words = subprocess.run([self.program, "--version"], capture_output=True, text=True).stdout.split()
        return next((word[2:] for word in words if word.startswith("v=")), " ".join(words) or "?")

    def start(self, machine, extra=()):
        return Server(self, machine, extra)


class Server:
    def __init__(self, kind, machine, extra=()):
        self.name, self.port = kind.name, machine.ports.free()
        self.folder = tempfile.mkdtemp(prefix="compare-")
        line = [kind.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        line += ["--dir", self.folder, "--loglevel", "warning", *kind.options, *extra]
        self.output = open(os.path.join(self.folder, "output"), "wb")
        self.process = subprocess.Popen(
            line, stdout=self.output, stderr=subprocess.STDOUT, preexec_fn=machine.pin_server
        )
        self.pid = self.process.pid
        try:
            self.await_pong()
        except BaseException:
            self.stop()
            raise

    def await_pong(self):
        end = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                with self.connect() as client:
                    if client.ask("PING") == b"+PONG\r\n":
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                text = Path(self.folder, "output").read_text(errors="replace")
                raise SystemExit(f"compare: {self.name} does not start: {text[-500:]}")
            time.sleep(0.0002)

    def connect(self):
        return Client(self.port)

    def ask(self, *words):
        with self.connect() as client:
            return client.ask(*words)

    def info(self):
        with self.connect() as client:
            lines = client.ask_bulk("INFO", "everything").decode(errors="replace").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # What the kernel knows.

    def cpu_us(self):
        return cpu_us(self.pid)

    def memory_kib(self, name):
        """One of VmRSS, RssAnon, RssFile."""
        return status_number(Path(f"/proc/{self.pid}/status").read_text(), name)

    def switches(self):
        """How often its threads gave up the processor, or had it taken away."""
        total = 0
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            text = (thread / "status").read_text()
            total += status_number(text, "voluntary_ctxt_switches") + status_number(text, "nonvoluntary_ctxt_switches")
        return total


def cpu_us(pid):
    """Microseconds of processor time of all threads: as the scheduler counts them, else in ticks.

    A thread that runs at this moment is counted up to the last tick."""
    threads = os.listdir(f"/proc/{pid}/task")
    try:
        texts = (Path(f"/proc/{pid}/task/{thread}/schedstat").read_text() for thread in threads)
        return sum(int(text.split()[0]) for text in texts) / 1000
    except (FileNotFoundError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def status_number(text, name):
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


class Client:
    """A client that needs no more of the protocol than this."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), REPLY_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, *words):
        """The first bytes of the reply: all of it, if it is short."""
        self.socket.sendall(encode(words))
        return self.socket.recv(65536)

    def ask_bulk(self, *words):
        self.socket.sendall(encode(words))
        got = self.socket.recv(65536)
        head, _, _ = got.partition(b"\r\n")
        wanted = len(head) + 2 + int(head[1:]) + 2
        while len(got) < wanted:
            got += self.socket.recv(65536)
        return got[len(head) + 2 : wanted - 2]

    def send_all(self, chunks):
        """Sends requests, a chunk of them at a time; after each, everything must have been answered."""
        mark = b"$8\r\nthe-mark\r\n"
        for chunk in chunks:
            self.socket.sendall(chunk + encode(("ECHO", "the-mark")))
            got = b""
            while not got.endswith(mark):
                fresh = self.socket.recv(1 << 18)
                if not fresh:
                    raise OSError("the server closed the connection")
                if fresh.startswith(b"-") or b"\r\n-" in fresh:
                    raise OSError(f"the server refused what it was sent: {fresh[:200]!r}")
                got = got[-len(mark) :] + fresh

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def encode(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def chunks_of(requests, size=1 << 17):
    """Requests, encoded, in pieces of about so many bytes."""
    parts, length = [], 0
    for request in requests:
        parts.append(request)
        length += len(request)
        if length >= size:
            yield b"".join(parts)
            parts, length = [], 0
    if parts:
        yield b"".join(parts)


class Machine:
    """The ports, and who runs where: servers on one core, load on the others, if there is more than one."""

    def __init__(self, ports=None, pinned=True):
        self.ports = Ports(ports)
        cores = sorted(os.sched_getaffinity(0))
        self.server_cores = self.load_cores = None
        if pinned and len(cores) > 1:
            self.server_cores, self.load_cores = {cores[0]}, set(cores[1:])
            os.sched_setaffinity(0, self.load_cores)

    @contextlib.contextmanager
    def unpinned(self):
        """For a while everybody runs wherever there is room."""
        before, cores = os.sched_getaffinity(0), self.server_cores
        os.sched_setaffinity(0, before | (cores or set()))
        self.server_cores = None
        try:
            yield
        finally:
            self.server_cores = cores
            os.sched_setaffinity(0, before)

    def pin_server(self):
        if self.server_cores:
            os.sched_setaffinity(0, self.server_cores)

    def lines(self):
        """What a reader must know of it."""
        model = "unknown processor"
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        kernel = os.uname()
        where = "servers and load share all cores"
        if self.server_cores:
            where = "each server on one core, the load on the " + ("other" if len(self.load_cores) == 1 else "others")
        return [f"{model}, {os.cpu_count()} cores, {kernel.sysname} {kernel.release} {kernel.machine}; {where}"]
