"""What is answered while the disk fails, and what is there when it works again.

The errors are real for the server: a library that is loaded into it lets system calls fail. Where this test may mount
file systems, one of them is really full, too.
"""

import errno
import os
import re
import socket
import subprocess
import time

from server import Client, Failed, Server, check, packed, wait_for

LOG = "incr.aof"


class Faulty:
    """A server whose system calls fail when they are told to."""

    def __init__(self, place, *options):
        self.folder = place.folder()
        self.faults = self.folder.with_suffix(".faults")
        self.faults.write_text("")
        environment = {
            "LD_PRELOAD": str(place.preload()), "SHIM_FOLDER": str(self.folder.resolve()), "SHIM_FAULTS": str(self.faults),
        }
        self.server = Server(place, *options, folder=self.folder, environment=environment)
        self.client = self.server.start()

    def fail(self, *faults):
        """From now on; each is a call, an error or milliseconds below zero that it takes longer, and a part of the path."""
        lines = []
        for call, error, part in faults:
            lines.append("%s %d 0 1000000000 %s\n" % (call, error if isinstance(error, int) else getattr(errno, error), part))
        fresh = self.faults.with_suffix(".fresh")
        fresh.write_text("".join(lines))
        os.replace(fresh, self.faults)

    def heal(self):
        self.fail()

    def wait_for_trouble(self):
        """Until the engine knows; it says so before that, and reads that come in between may have to wait as well."""
        wait_for("trouble with the log", lambda: re.search("Error writing to|Fail to fsync", self.server.log()), 5)
        time.sleep(0.1)

    def again(self):
        """After a kill, on a disk that works."""
        self.server.kill()
        self.heal()
        self.client = self.server.start()
        return self.client


class Book:
    """Numbered writes, and which of them were answered."""

    def __init__(self, client):
        self.client, self.count, self.answered = client, 0, []

    def write(self):
        """The error, if it was refused."""
        self.count += 1
        error = self.client.error("SET", "n%d" % self.count, "value %d" % self.count)
        if not error:
            self.answered.append(self.count)
        return error

    def verify(self, client, but=()):
        for n in self.answered:
            if n not in but:
                check(client.call("GET", "n%d" % n) == b"value %d" % n, "n%d was answered and is gone" % n)


def await_log(client):
    """Until the log that was turned on has its beginning."""
    def is_on():
        now = client.info()
        return now["aof_rewrite_in_progress"] == now["aof_rewrite_scheduled"] == "0" and now["aof_last_bgrewrite_status"] == "ok"

    wait_for("the log to begin", is_on, 10)


def options(policy, *more):
    return ["--appendonly", "yes", "--appendfsync", policy, "--save", "", *more]


def log_fails(place, policy, call, error):
    """Writes or syncs of the log fail for a while."""
    it = Faulty(place, *options(policy))
    client, book = it.client, Book(it.client)
    for _ in range(20):
        check(not book.write(), "a write was refused")
    client.call("SET", "goes", "soon")
    it.fail((call, error, LOG))
    # Whose write it was is not answered until it is safe; the others are told.
    other = Client(place.port)
    other.socket.sendall(b"SET held 1\r\n")
    it.wait_for_trouble()
    error_said = client.error("SET", "refused", "1")
    check(os.strerror(getattr(errno, error)) in error_said, "MISCONF does not say why: %s" % error_said)
    check(client.call("GET", "n1") == b"value 1", "reads do not run")
    check(client.info()["aof_last_write_status"] == "err", "aof_last_write_status is ok")
    if policy != "always":
        check(client.call("DEL", "goes") == 1, "DEL does not run")
    # It lasts.
    time.sleep(1.2)
    check("MISCONF" in client.error("SET", "refused", "1"), "service resumed while the disk fails")
    it.heal()
    wait_for("service to resume", lambda: not book.write(), 5)
    check(client.info()["aof_last_write_status"] == "ok", "aof_last_write_status is err")
    check(other.receive() == [b"OK"], "what was held back was not answered")
    other.close()
    for _ in range(20):
        check(not book.write(), "a write was refused after all was well")
    again = it.again()
    book.verify(again)
    check(again.call("EXISTS", "refused", "goes" if policy != "always" else "refused") == 0, "what was refused is there")
    check(again.call("GET", "held") == b"1", "what was held back and answered is gone")
    it.server.kill()
    return "%s of the log fails with %s under %s: MISCONF, resumed, nothing lost" % (call, error, policy)


def short_write(place):
    """The disk is full in the middle of a write, so part of a command is in the file: it is cut off."""
    it = Faulty(place, *options("everysec"))
    book = Book(it.client)
    check(not book.write(), "a write was refused")
    it.fail(("write", "ENOSPC", LOG), ("ftruncate", "EIO", LOG))
    other = Client(place.port)
    other.socket.sendall(b"SET held 1\r\n")
    it.wait_for_trouble()
    check("MISCONF" in book.write(), "no MISCONF")
    it.heal()
    wait_for("service to resume", lambda: not book.write(), 5)
    book.verify(it.again())
    it.server.kill()
    return "a write fails and what is left of it cannot be cut off: MISCONF, resumed, nothing lost"


def rewrite_fails(place, call, error, part):
    """BGREWRITEAOF fails: the log goes on with the files that it has."""
    it = Faulty(place, *options("always"))
    client, book = it.client, Book(it.client)
    for _ in range(5):
        check(not book.write(), "a write was refused")
    it.fail((call, error, part))
    client.call("BGREWRITEAOF")
    wait_for("the rewrite to fail", lambda: client.info()["aof_last_bgrewrite_status"] == "err", 5)
    for _ in range(5):
        check(not book.write(), "a write was refused because a rewrite failed")
    # Killed in this state, everything is there.
    client = it.again()
    book.client = client
    book.verify(client)
    check(not book.write(), "a write was refused")
    client.call("BGREWRITEAOF")
    state = wait_for("a rewrite", lambda: (lambda now: now["aof_rewrite_in_progress"] == "0" and now)(client.info()))
    check(state["aof_last_bgrewrite_status"] == "ok", "the rewrite failed for no reason: %s" % it.server.tail())
    check(not book.write(), "a write was refused")
    book.verify(it.again())
    it.server.kill()
    return "BGREWRITEAOF: %s of %s fails with %s: the log goes on, the next one succeeds" % (call, part, error)


def save_fails(place, call, error, part):
    """BGSAVE fails: writes are refused until one succeeds, and the old snapshot stays."""
    it = Faulty(place, "--appendonly", "no", "--save", "3600 100000")
    client, book = it.client, Book(it.client)
    check(not book.write(), "a write was refused")
    client.call("SAVE")
    old = (it.folder / "dump.rdb").read_bytes()
    check(not book.write(), "a write was refused")
    it.fail((call, error, part))
    client.call("BGSAVE")
    wait_for("BGSAVE to fail", lambda: client.info()["rdb_last_bgsave_status"] == "err", 5)
    check("MISCONF" in book.write(), "writes go on although BGSAVE failed")
    check(client.call("GET", "n1") == b"value 1", "reads do not run")
    if (call, part) != ("fsync", ""):
        check((it.folder / "dump.rdb").read_bytes() == old, "the old snapshot was not kept")
    left = [path.name for path in it.folder.iterdir() if path.name.startswith("temp-")]
    check(not left or call == "unlink", "temporary files are left: %s" % left)
    client.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    check(not book.write(), "a write was refused against stop-writes-on-bgsave-error no")
    client.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    check("MISCONF" in book.write(), "writes go on although BGSAVE failed")
    check(client.error("SAVE"), "SAVE is answered with OK, and failed")
    it.heal()
    client.call("BGSAVE")
    wait_for("BGSAVE", lambda: client.info()["rdb_last_bgsave_status"] == "ok", 5)
    saved = list(book.answered)
    check(not book.write(), "writes are refused although BGSAVE succeeded")
    again = it.again()
    book.answered = saved
    book.verify(again)
    it.server.kill()
    return "BGSAVE: %s of %s fails with %s: MISCONF, the old snapshot is kept, resumed" % (call, part or "the folder", error)


def turning_on_fails(place, call, error, part):
    """CONFIG SET appendonly yes while its files cannot be made: there is a log as soon as they can."""
    it = Faulty(place, "--appendonly", "no", "--save", "")
    client, book = it.client, Book(it.client)
    check(not book.write(), "a write was refused")
    it.fail((call, error, part))
    client.error("CONFIG", "SET", "appendonly", "yes")
    time.sleep(0.3)
    it.heal()
    if client.call("CONFIG", "GET", "appendonly")[1] == b"no":
        client.call("CONFIG", "SET", "appendonly", "yes")

    await_log(client)
    check(not book.write(), "a write was refused")
    it.server.options = ("--appendonly", "yes", "--save", "")
    book.verify(it.again())
    it.server.kill()
    return "CONFIG SET appendonly yes: %s of %s fails with %s: a log as soon as it can be" % (call, part, error)


def start_fails(place, call, error, part):
    """A log that cannot be written on ends the start, and nothing else: the data is there at the next."""
    it = Faulty(place, *options("always"))
    book = Book(it.client)
    for _ in range(5):
        check(not book.write(), "a write was refused")
    it.server.kill()
    it.fail((call, error, part))
    it.server.spawn()
    code = wait_for("the server to end", lambda: it.server.process.poll(), 10)
    check(code == 1, "the server ended with %s" % code)
    said = os.strerror(getattr(errno, error))
    check(said in it.server.log(), "it does not say why it ended: %s" % it.server.tail())
    book.verify(it.again())
    it.server.kill()
    return "start: %s of %s fails with %s: ends with 1 and says so, nothing lost" % (call, part, error)


def lost(place):
    """A sync fails that nothing was held for, so nobody knows what is on disk: the log is rewritten, by itself."""
    it = Faulty(place, *options("no"))
    client, book = it.client, Book(it.client)
    for _ in range(20):
        check(not book.write(), "a write was refused")
    it.fail(("fdatasync", "EIO", "1.incr.aof"))
    client.call("BGREWRITEAOF")
    it.wait_for_trouble()
    wait_for("service to resume", lambda: not book.write(), 15)
    state = wait_for("the rewrite", lambda: (lambda now: now["aof_rewrite_in_progress"] == "0" and now)(client.info()))
    check(state["aof_last_bgrewrite_status"] == "ok" and state["aof_last_write_status"] == "ok", str(state))
    book.verify(it.again())
    it.server.kill()
    return "a sync fails under no: the log is rewritten by itself, resumed, nothing lost"


def grows(place):
    """The log is rewritten by itself when it has grown."""
    it = Faulty(place, *options("always", "--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size", "20kb"))
    client = it.client
    for n in range(40):
        client.call("SET", "same", b"x" * 1000 + b"%d" % n)
    wait_for("a rewrite", lambda: client.info()["aof_rewrites"] != "0", 5)
    wait_for("its end", lambda: client.info()["aof_rewrite_in_progress"] == "0", 5)
    check(int(client.info()["aof_current_size"]) < 20_000, "the log is as large as before")
    check(it.again().call("GET", "same") == b"x" * 1000 + b"39", "the last value is gone")
    it.server.kill()
    return "a log that has grown is rewritten by itself"


def off_at_the_end(place, call, part):
    """CONFIG SET appendonly no while a rewrite waits for the disk; yes begins a new log all the same."""
    it = Faulty(place, *options("always"))
    client, book = it.client, Book(it.client)
    for _ in range(5):
        check(not book.write(), "a write was refused")
    it.fail((call, -400, part))
    client.call("BGREWRITEAOF")
    time.sleep(0.15)
    client.call("CONFIG", "SET", "appendonly", "no")
    it.heal()
    wait_for("the end of the rewrite", lambda: client.info()["aof_rewrite_in_progress"] == "0", 5)
    check(not book.write(), "a write was refused")
    client.call("CONFIG", "SET", "appendonly", "yes")

    await_log(client)
    check(not book.write(), "a write was refused")
    book.verify(it.again())
    it.server.kill()
    return "the log is turned off while %s of %s takes long, and on again" % (call, part)


def slow_sync(place):
    """Under everysec answers wait when a sync takes longer than a second, so a kill loses no more than that."""
    it = Faulty(place, *options("everysec"))
    client = it.client
    answered = []
    it.fail(("fdatasync", -2600, LOG))
    client.socket.settimeout(0.02)
    began = time.monotonic()
    while time.monotonic() < began + 2.4:
        count = len(answered) + 1
        client.socket.sendall(packed(["RPUSH", "list", count]))
        while len(answered) < count and time.monotonic() < began + 2.4:
            try:
                got = client.socket.recv(100)
            except socket.timeout:
                continue
            check(got.startswith(b":"), "a write was refused: %s" % got)
            answered.append(time.monotonic())
            time.sleep(0.002)
    again = it.again()
    there = again.call("LLEN", "list")
    missing = answered[there:]
    span = missing[-1] - missing[0] if missing else 0
    check(answered[-1] < began + 2.2, "answers did not wait for the disk")
    check(span < 1.1, "answers of %.2f seconds are missing" % span)
    check(again.call("LRANGE", "list", 0, -1) == [b"%d" % n for n in range(1, there + 1)], "what is there is not the beginning")
    it.server.kill()
    return "a sync takes 2.6 s under everysec: answers wait, and a kill loses those of %.2f s (%d)" % (span, len(missing))


def full_disk(place):
    """A file system of its own, and full; nothing if it cannot be mounted."""
    folder = place.folder()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        return "a full disk: skipped, nothing can be mounted here (%s)" % mounted.stderr.strip()
    server = Server(place, *options("everysec"), folder=folder)
    try:
        client = server.start()
        book = Book(client)
        for _ in range(10):
            check(not book.write(), "a write was refused")
        client.call("SET", "goes", "x" * 5000)
        ballast = folder / "ballast"
        file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(file, b"x" * 4096):
                pass
        except OSError as why:
            check(why.errno == errno.ENOSPC, str(why))
        os.close(file)
        other = Client(place.port)
        other.socket.sendall(packed(["SET", "held", "y" * 9000]))
        wait_for("trouble with the log", lambda: "Error writing to the AOF file: No space" in server.log(), 5)
        time.sleep(0.1)
        check("MISCONF" in book.write(), "no MISCONF")
        check(client.call("GET", "n1") == b"value 1", "reads do not run")
        check(client.call("DEL", "goes") == 1, "DEL does not run")
        check(client.error("BGSAVE") == "", "BGSAVE is refused")
        wait_for("BGSAVE to fail", lambda: client.info()["rdb_last_bgsave_status"] == "err", 5)
        check("MISCONF" in book.write(), "writes go on while the disk is full")
        ballast.unlink()
        wait_for("service to resume", lambda: not book.write(), 5)
        check(other.receive() == [b"OK"], "what was held back was not answered")
        server.kill()
        again = server.start()
        book.verify(again)
        check(again.call("GET", "held") == b"y" * 9000, "what was held back and answered is gone")
        check(again.call("EXISTS", "goes") == 0, "a DEL is forgotten")
        server.kill()
    finally:
        server.kill()
        subprocess.run(["umount", folder], check=True)
    return "a full disk: MISCONF, reads and DEL run, resumed when there is room, nothing lost"


def run(place):
    cases = [
        *((log_fails, policy, "write", "ENOSPC") for policy in ("always", "everysec", "no")),
        *((log_fails, policy, "fdatasync", "EIO") for policy in ("always", "everysec")),
        (short_write,),
        (rewrite_fails, "open", "EACCES", "temp-rewriteaof"),
        (rewrite_fails, "write", "ENOSPC", "temp-rewriteaof"),
        (rewrite_fails, "fdatasync", "EIO", "temp-rewriteaof"),
        (rewrite_fails, "rename", "EACCES", "base.rdb"),
        (rewrite_fails, "rename", "EIO", "manifest"),
        (rewrite_fails, "open", "ENOSPC", "2.incr.aof"),
        (rewrite_fails, "write", "ENOSPC", "manifest"),
        (save_fails, "open", "EACCES", "temp-"),
        (save_fails, "write", "ENOSPC", "temp-"),
        (save_fails, "fdatasync", "EIO", "temp-"),
        (save_fails, "rename", "EACCES", "dump.rdb"),
        (turning_on_fails, "mkdir", "ENOSPC", "appendonlydir"),
        (turning_on_fails, "rename", "EIO", "manifest"),
        (turning_on_fails, "write", "ENOSPC", "temp-appendonly.aof.incr"),
        (lost,),
        (grows,),
        (off_at_the_end, "fdatasync", "temp-rewriteaof"),
        (off_at_the_end, "fdatasync", "manifest"),
        (slow_sync,),
        (start_fails, "open", "EACCES", "1.incr.aof"),
        (start_fails, "fdatasync", "EIO", "1.incr.aof"),
        (full_disk,),
    ]
    for case, *arguments in cases:
        try:
            yield case(place, *arguments)
        except Failed as why:
            raise Failed("%s%s: %s\nthe server last printed:\n%s" % (case.__name__, arguments, why, place.servers[-1].tail())) from why
