"""What the system is asked to do, in which order: a write is in the log, and synced where that is promised, before its
answer leaves.

Each write has an answer that holds a number of its own, so the calls that carry it can be told.
"""

import re

from server import Client, Server, check, packed, wait_for

CLIENTS = 4
TURNS = 60
# From the end of one job of the log to the next, on a machine with other things to do.
GRACE_NS = 200_000_000
TOKEN = re.compile(rb"7\d{9}")


class Call:
    def __init__(self, line):
        began, ended, self.name, fd, result, _, self.path, taken = line.split(" ")
        self.began, self.ended, self.fd, self.result = int(began), int(ended), int(fd), int(result)
        self.bytes = b"" if taken == "-" else bytes.fromhex(taken)

    def is_log(self):
        return "incr" in self.path

    def is_write_to_log(self):
        return self.name in ("write", "writev") and self.is_log() and self.result > 0

    def is_slow(self):
        return self.name in ("fsync", "fdatasync", "rename", "unlink", "open") and "appendonly" in self.path


def record(place, policy, is_new):
    """The calls of a server that several clients write to at once, during a rewrite too; and what was answered. The log
    may be one that was turned off and on."""
    folder = place.folder()
    trace = folder.with_suffix(".trace")
    environment = {"LD_PRELOAD": str(place.preload()), "SHIM_FOLDER": str(folder.resolve()), "SHIM_TRACE": str(trace)}
    server = Server(place, "--appendonly", "yes", "--appendfsync", policy, "--save", "", folder=folder, environment=environment)
    first = server.start()
    if is_new:
        first.call("CONFIG", "SET", "appendonly", "no")
        first.call("CONFIG", "SET", "appendonly", "yes")
        wait_for("the log to begin", lambda: is_idle(first))
    clients = [Client(place.port) for _ in range(CLIENTS)]
    token, answered = 7_000_000_000, set()
    for turn in range(TURNS):
        if turn == TURNS // 2:
            first.call("BGREWRITEAOF")
        sent = []
        for number, client in enumerate(clients):
            commands = []
            for kind in range(3):
                token += 1
                answered.add(b"%d" % token)
                commands += unit(kind, number, token)
            sent.append(commands)
            client.socket.sendall(b"".join(map(packed, commands)))
        for client, commands in zip(clients, sent):
            got = []
            while len(got) < len(commands):
                got += client.receive()
    wait_for("the rewrite", lambda: is_idle(first))
    server.kill()
    calls = [Call(line) for line in trace.read_text().splitlines()]
    calls.sort(key=lambda call: call.began)
    return calls, answered


def is_idle(client):
    now = client.info()
    return now["aof_rewrite_in_progress"] == now["aof_rewrite_scheduled"] == "0"


def unit(kind, number, token):
    """A write whose answer holds the token."""
    text = b"%d" % token
    if kind == 0:
        return [["XADD", "stream%d" % number, b"%d-1" % token, "field", "value"]]
    if kind == 1:
        script = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return ARGV[1]"
        return [["EVAL", script, 2, "key%d" % number, "list%d" % number, text]]
    return [["MULTI"], ["SET", "other%d" % number, text], ["GET", "other%d" % number], ["EXEC"]]


def verify(calls, answered, policy):
    """How many syncs there were, and how many answers left while one was under way."""
    writes = [call for call in calls if call.is_write_to_log()]
    syncs = [call for call in calls if call.name in ("fsync", "fdatasync") and call.is_log() and call.result == 0]
    sends = [call for call in calls if call.path.startswith("socket:") and call.result > 0]
    written = {}
    for call in writes:
        for token in TOKEN.findall(call.bytes):
            written.setdefault(token, call)
    left = {}
    for call in sends:
        for token in TOKEN.findall(call.bytes):
            left.setdefault(token, call)
    check(answered <= set(left), "answers are missing in the trace: %s" % sorted(answered - set(left))[:3])
    early = 0
    for token in sorted(answered):
        send = left[token]
        check(token in written, "%s was answered and is in no write to the log" % token.decode())
        write = written[token]
        if policy == "always":
            check(write.ended <= send.began, "%s was answered before it was written" % token.decode())
            kept = [sync for sync in syncs if sync.path == write.path and write.ended <= sync.began and sync.ended <= send.began]
            check(kept, "%s was answered before it was synced" % token.decode())
        elif write.ended > send.began:
            check(policy == "everysec", "%s was answered before it was written" % token.decode())
            check(was_busy(calls, write, send), "%s was answered before it was written, and the disk was idle" % token.decode())
            early += 1
    check(syncs or policy == "no", "nothing was synced")
    return len(syncs), early


def was_busy(calls, write, send):
    """Between this answer and its write something was done that waits for the disk, right up to the write."""
    last = max((call.ended for call in calls if call.is_write_to_log() and call.ended <= send.began), default=0)
    slow = [call.ended for call in calls if call.is_slow() and last < call.ended and call.began <= write.began]
    return bool(slow) and write.began - max(slow) < GRACE_NS


def run(place):
    for policy, is_new in (("always", False), ("always", True), ("everysec", False), ("no", False), ("no", True)):
        calls, answered = record(place, policy, is_new)
        syncs, early = verify(calls, answered, policy)
        yield (
            "%-8s %d answers behind their writes, %d of them sent before these while the disk was busy; %d syncs, %d calls in the trace%s"
            % (policy, len(answered), early, syncs, len(calls), "; turned off and on" if is_new else "")
        )
