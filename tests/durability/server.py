"""Servers that are started on a folder and killed, and a client that is no cleverer than it must be."""

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 10


class Failed(Exception):
    """The server does not do what it promises."""


def check(is_so, text):
    if not is_so:
        raise Failed(text)


class Lost(Exception):
    """The connection is over."""


class Refused(Exception):
    """An error that the server answered."""


def packed(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Replies:
    """Takes replies apart as their bytes come; an error is a `Refused` among them."""

    def __init__(self):
        self.bytes = bytearray()

    def feed(self, more):
        self.bytes += more

    def take(self):
        """All that are whole."""
        replies, at = [], 0
        while True:
            try:
                reply, at = self._one(at)
            except IndexError:
                del self.bytes[:at]
                return replies
            replies.append(reply)

    def _one(self, at):
        end = self.bytes.find(b"\r\n", at)
        if end < 0:
            raise IndexError
        kind, line, at = self.bytes[at], bytes(self.bytes[at + 1:end]), end + 2
        if kind in b"+":
            return line, at
        if kind in b":":
            return int(line), at
        if kind in b"-":
            return Refused(line.decode()), at
        count = int(line)
        if count < 0:
            return None, at
        if kind in b"$":
            if len(self.bytes) < at + count + 2:
                raise IndexError
            return bytes(self.bytes[at:at + count]), at + count + 2
        items = []
        for _ in range(count):
            item, at = self._one(at)
            items.append(item)
        return items, at


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = Replies()

    def many(self, commands):
        """Replies to all of them; errors are among them."""
        self.socket.sendall(b"".join(map(packed, commands)))
        replies = []
        while len(replies) < len(commands):
            replies += self.receive()
        return replies

    def receive(self):
        try:
            more = self.socket.recv(1 << 18)
        except socket.timeout:
            raise Failed("no answer for %d seconds" % PATIENCE)
        except OSError as why:
            raise Lost(str(why))
        if not more:
            raise Lost("the server closed the connection")
        self.replies.feed(more)
        return self.replies.take()

    def call(self, *words):
        reply = self.many([words])[0]
        if isinstance(reply, Refused):
            raise reply
        return reply

    def error(self, *words):
        """The error that this is answered with, or nothing."""
        reply = self.many([words])[0]
        return str(reply) if isinstance(reply, Refused) else ""

    def info(self, section="persistence"):
        lines = self.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def close(self):
        self.socket.close()


class Place:
    """How servers are started, and where."""

    def __init__(self, command, port, root):
        self.command, self.port, self.root = command, port, Path(root)
        self.count = 0
        self.shim = None
        self.is_thorough = False
        self.servers = []

    def folder(self):
        self.count += 1
        path = self.root / ("d%d" % self.count)
        path.mkdir()
        return path

    def stop_all(self):
        for server in self.servers:
            server.kill()

    def preload(self):
        """The shim, as it is built."""
        if self.shim is None:
            self.shim = self.root / "shim.so"
            subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.shim, HERE / "shim.c", "-ldl"], check=True)
        return self.shim


class Server:
    """One process at a time, on one folder."""

    def __init__(self, place, *options, folder=None, environment=None):
        self.place, self.options = place, options
        self.folder = folder or place.folder()
        self.log_path = Path(str(self.folder) + ".log")
        self.environment = environment or {}
        self.process = None
        place.servers.append(self)

    def spawn(self, *more):
        command = self.place.command.format(port=self.place.port, dir=self.folder)
        # Unbuffered: what the process prints must come behind this line.
        with open(self.log_path, "ab", buffering=0) as log:
            log.write(b"---- starts\n")
            self.process = subprocess.Popen(
                [*shlex.split(command), *self.options, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment},
            )

    def start(self, *more):
        self.spawn(*more)
        return self.ready()

    def ready(self):
        """A client, as soon as data is served."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failed("the server ended with %s when it was started:\n%s" % (self.process.returncode, self.tail()))
            client = None
            try:
                client = Client(self.place.port)
                if client.call("PING") == b"PONG":
                    return client
            except (Refused, Lost, OSError):
                pass
            if client:
                client.close()
            time.sleep(0.003)
        raise Failed("the server is not ready in %d seconds:\n%s" % (PATIENCE, self.tail()))

    def kill(self, by=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(PATIENCE) if self.process else None

    def log(self):
        """What the last process printed."""
        return self.log_path.read_bytes().decode(errors="replace").rpartition("---- starts\n")[2]

    def tail(self):
        return "\n".join(self.log().splitlines()[-15:])


def wait_for(what, is_so, seconds=PATIENCE):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = is_so()
        if found:
            return found
        time.sleep(0.01)
    raise Failed("waited in vain: " + what)


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def root():
    return tempfile.TemporaryDirectory(prefix="durability-")
