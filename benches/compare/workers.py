"""Workers of one group at one stream: what it costs the server to hand out an entry (XREADGROUP) and to hear that it is done (XACK).

A load generator with one fixed request cannot acknowledge what it was given. Here each worker takes some entries, and
acknowledges just these, all workers in turn.
"""

import re

from figures import measured
from servers import Client, chunks_of, encode

WORKERS = 50
# Ids of one length make answers of one length.
FIRST = 1_000_000
TAKE = ("XREADGROUP", "GROUP", "group", "worker", "COUNT", 1, "STREAMS", "jobs", ">")
ID = re.compile(rb"\r\n(0-\d{7})\r\n")


def measure(servers, depth, entries, rounds):
    """Microseconds of the server's processor time for an entry taken and acknowledged, by server."""
    crews = [Crew(server) for server in servers]
    work = lambda count: lambda crew: crew.work(depth, count)
    return measured(crews, rounds, work(entries // 10), work(entries))


def jobs(count):
    yield encode(("DEL", "jobs"))
    yield encode(("XGROUP", "CREATE", "jobs", "group", "0", "MKSTREAM"))
    for number in range(FIRST, FIRST + count):
        yield encode(("XADD", "jobs", f"0-{number}", "field", "xxx"))


class Crew:
    def __init__(self, server):
        self.server = server
        self.workers = [Client(server.port) for _ in range(WORKERS)]

    def work(self, depth, entries):
        turns = max(1, entries // (depth * WORKERS))
        count = turns * depth * WORKERS
        self.workers[0].send_all(chunks_of(jobs(count + 1)))
        answer = len(self.workers[0].ask(*TAKE))
        before = self.server.cpu_us()
        for _ in range(turns):
            for worker in self.workers:
                worker.socket.sendall(encode(TAKE) * depth)
            for worker in self.workers:
                worker.taken = ID.findall(self.read(worker, answer * depth))
            for worker in self.workers:
                worker.socket.sendall(b"".join(encode(("XACK", "jobs", "group", taken)) for taken in worker.taken))
            for worker in self.workers:
                self.check(self.read(worker, 4 * depth) == b":1\r\n" * depth)
        used = self.server.cpu_us() - before
        self.check(self.workers[0].ask("XPENDING", "jobs", "group").startswith(b"*4\r\n:1\r\n"))
        return used / count

    def read(self, worker, wanted):
        got = b""
        while len(got) < wanted:
            fresh = worker.socket.recv(wanted - len(got))
            self.check(fresh)
            got += fresh
        return got

    def check(self, is_so):
        if not is_so:
            raise SystemExit(f"compare: {self.server.name} does not answer its workers as it should")

    def end(self):
        for worker in self.workers:
            worker.socket.close()
