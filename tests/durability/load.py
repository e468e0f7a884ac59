"""What writes while a server is killed, and knows afterwards what must be there.

Each writer sends units one after the other without waiting for each answer. What its n-th unit does follows from n, so
what is found after a restart must be the outcome of the first so many units: all that were promised, and none that was
not sent. As numbers are never used twice, nothing else can be taken for it.
"""

import copy
import time

from server import Client, Failed, Lost, Refused, check, packed

DEPTH = 24
KINDS = 16
# So many seconds is a deadline off at the most, because of the time that passes.
SLACK = 900


class Writer:
    """Units of all kinds, in keys of its own."""

    def __init__(self, name):
        self.name = name
        self.state, self.deadlines = {}, {}
        self.next = 1
        self.open([])

    def key(self, name):
        return b"%s:%s" % (self.name, name.encode())

    def open(self, clients):
        """A round begins."""
        self.clients = clients
        self.first = self.next
        self.sent = self.answered = 0
        self.replies = 0
        self.times = []
        self.floor = 0

    def needs(self):
        return 1

    def pump(self):
        if self.sent - self.answered > DEPTH // 2:
            return
        batch = []
        while self.sent - self.answered < DEPTH:
            batch += map(packed, self.commands(self.first + self.sent))
            self.sent += 1
        self.next = self.first + self.sent
        self.clients[0].socket.sendall(b"".join(batch))

    def take(self, client):
        for reply in client.receive():
            if isinstance(reply, Refused):
                raise Failed("%s was refused: %s" % (self.name.decode(), reply))
            self.replies += 1
            if self.replies == self.commands_of(self.first + self.answered):
                self.replies = 0
                self.answered += 1
                self.times.append(time.monotonic())

    def commands_of(self, n):
        return len(self.commands(n))

    def commands(self, n):
        key, kind, turn = self.key, n % KINDS, n // KINDS
        text = b"%d" % n
        if kind == 0:
            return [["INCR", key("count")]]
        if kind == 1:
            return [["SET", key("s%d" % (turn % 40)), self.text(n)]]
        if kind == 2:
            return [["DEL", key("list")] if turn % 400 == 399 else ["RPUSH", key("list"), text, b"more"]]
        if kind == 3:
            return [["HSET", key("hash"), "f%d" % (turn % 150), text, "g%d" % (turn % 7), text]]
        if kind == 4:
            return [["ZADD", key("zset"), text, "m%d" % (turn % 150)]]
        if kind == 5:
            return [["XADD", key("stream"), b"%d-1" % n, "v", text]]
        if kind == 6:
            return [["DEL", key("set")] if turn % 300 == 299 else ["SADD", key("set"), text]]
        if kind == 7:
            last = ["DEL", key("b"), key("a")] if turn % 200 == 199 else ["INCR", key("c")]
            return [["MULTI"], ["INCR", key("a")], ["RPUSH", key("b"), text], last, ["EXEC"]]
        if kind == 8:
            script = (
                "redis.call('INCR', KEYS[1]) for i = 1, 3 do redis.call('HSET', KEYS[2], 'f' .. i, ARGV[1]) end "
                "redis.call('LPUSH', KEYS[3], ARGV[1]) redis.call('LTRIM', KEYS[3], 0, 20) return 1"
            )
            return [["EVAL", script, 3, key("ea"), key("eb"), key("ec"), text]]
        if kind == 9:
            return [["SET", key("e%d" % (turn % 20)), text, "EX", 100000 + turn % 20]]
        if kind == 10:
            return [["LPOP", key("list")]]
        if kind == 11:
            return [["SET", key("app"), ""] if turn % 200 == 199 else ["APPEND", key("app"), text + b","]]
        if kind == 12:
            return [["EXPIRE", key("s%d" % (turn % 40)), 200000 + turn % 40]]
        if kind == 13:
            return [["ZREM", key("zset"), "m%d" % (turn * 7 % 150)]]
        if kind == 14:
            moves = [["SET", key("x"), text], ["RENAME", key("x"), key("y")], ["COPY", key("y"), key("z%d" % (turn % 5)), "REPLACE"]]
            return [["MULTI"], *moves, ["EXEC"]]
        if turn % 2:
            return [["XTRIM", key("stream"), "MAXLEN", 120]]
        return [["HEXPIRE", key("hash"), 300000, "FIELDS", 1, "f%d" % (turn % 150)]]

    def text(self, n):
        size = 200_000 if n // KINDS % 64 == 63 else n * 37 % 300
        return b"%d-" % n + b"x" * size

    def apply(self, state, deadlines, n):
        """What the n-th unit makes of it."""
        key, kind, turn = self.key, n % KINDS, n // KINDS
        text = b"%d" % n

        def count(name):
            state[key(name)] = b"%d" % (int(state.get(key(name), 0)) + 1)

        def drop(name):
            state.pop(key(name), None)

        if kind == 0:
            count("count")
        elif kind == 1:
            name = key("s%d" % (turn % 40))
            state[name] = self.text(n)
            deadlines.pop(name, None)
        elif kind == 2:
            if turn % 400 == 399:
                drop("list")
            else:
                state.setdefault(key("list"), []).extend([text, b"more"])
        elif kind == 3:
            state.setdefault(key("hash"), {}).update({b"f%d" % (turn % 150): text, b"g%d" % (turn % 7): text})
        elif kind == 4:
            state.setdefault(key("zset"), {})[b"m%d" % (turn % 150)] = text
        elif kind == 5:
            state.setdefault(key("stream"), []).append([b"%d-1" % n, [b"v", text]])
        elif kind == 6:
            if turn % 300 == 299:
                drop("set")
            else:
                state.setdefault(key("set"), set()).add(text)
        elif kind == 7:
            count("a")
            state.setdefault(key("b"), []).append(text)
            if turn % 200 == 199:
                drop("a")
                drop("b")
            else:
                count("c")
        elif kind == 8:
            count("ea")
            state[key("eb")] = {b"f1": text, b"f2": text, b"f3": text}
            state[key("ec")] = [text, *state.get(key("ec"), [])][:21]
        elif kind == 9:
            name = key("e%d" % (turn % 20))
            state[name] = text
            deadlines[name] = 100000 + turn % 20
        elif kind == 10:
            items = state.get(key("list"))
            if items:
                items.pop(0)
                if not items:
                    drop("list")
        elif kind == 11:
            state[key("app")] = b"" if turn % 200 == 199 else state.get(key("app"), b"") + text + b","
        elif kind == 12:
            name = key("s%d" % (turn % 40))
            if name in state:
                deadlines[name] = 200000 + turn % 40
        elif kind == 13:
            members = state.get(key("zset"), {})
            members.pop(b"m%d" % (turn * 7 % 150), None)
            if not members:
                drop("zset")
        elif kind == 14:
            state[key("y")] = state[key("z%d" % (turn % 5))] = text
        elif turn % 2 and key("stream") in state:
            del state[key("stream")][:-120]

    def verify(self, found):
        """How many answered units are missing; `found` is all that the server has."""
        mine = {key: value for key, value in found.values.items() if key.startswith(self.name + b":")}
        for done in range(self.sent + 1):
            if done:
                self.apply(self.state, self.deadlines, self.first + done - 1)
            if self.state == mine and done >= min(self.floor, self.sent):
                self.verify_deadlines(found)
                return max(0, self.answered - done - self.idle_units(done))
            if done == self.sent:
                break
        raise Failed(self.why(mine))

    def idle_units(self, done):
        """Units that follow and change nothing: nobody can say whether they are there."""
        state, deadlines = copy.deepcopy(self.state), dict(self.deadlines)
        for more in range(self.sent - done):
            self.apply(state, deadlines, self.first + done + more)
            if (state, deadlines) != (self.state, self.deadlines):
                return more
        return self.sent - done

    def why(self, mine):
        """It is not what the first so many units make: what differs from the last that would have been right."""
        again = Writer(self.name)
        nearest = None
        for done in range(self.first + self.sent):
            if done:
                again.apply(again.state, again.deadlines, done)
            wrong = [key for key in {**mine, **again.state} if mine.get(key) != again.state.get(key)]
            if nearest is None or len(wrong) < nearest[0]:
                nearest = (len(wrong), done, {key: (str(again.state.get(key))[-80:], str(mine.get(key))[-80:]) for key in wrong[:4]})
        return (
            "%s: units from %d on were sent, %d, of which %d were answered and %d are promised; found is not what any number of "
            "them from there on makes. The nearest is the outcome of those up to %d, but for %d keys (expected, found): %s"
            % (self.name.decode(), self.first, self.sent, self.answered, self.floor, nearest[1], nearest[0], nearest[2])
        )

    def verify_deadlines(self, found):
        for key, seconds in self.deadlines.items():
            left = found.deadlines.get(key, -1)
            check(seconds - SLACK < left <= seconds, "%s: TTL %d of %d" % (key.decode(), left, seconds))
        more = [key for key in found.deadlines if key.startswith(self.name + b":") and key not in self.deadlines]
        check(not more, "%s have deadlines that nobody set" % more)


class Chain:
    """Two clients, one of which writes when the other was answered: no later one is there without the earlier."""

    def __init__(self, name):
        self.keys = [name + b":first", name + b":second"]
        self.counts = [0, 0]
        self.open([])

    def needs(self):
        return 2

    def open(self, clients):
        self.clients = clients
        self.turn, self.waits = 0, False
        self.base = list(self.counts)
        self.answered = self.sent = self.floor = 0
        self.times = []

    def pump(self):
        if not self.waits:
            self.clients[self.turn].socket.sendall(packed(["INCR", self.keys[self.turn]]))
            self.waits = True
            self.sent += 1

    def take(self, client):
        for reply in client.receive():
            if isinstance(reply, Refused):
                raise Failed("INCR was refused: %s" % reply)
            self.turn, self.waits = 1 - self.turn, False
            self.answered += 1
            self.times.append(time.monotonic())

    def verify(self, found):
        first, second = (int(found.values.get(key, 0)) for key in self.keys)
        # What a round left between the two is the base of the next.
        done = [first - self.base[0], second - self.base[1]]
        check(done[0] - done[1] in (0, 1) and done[1] >= 0, "%s: %d without %d" % (self.keys[0].decode(), *done))
        check(sum(done) <= self.sent, "more was counted than was sent")
        check(sum(done) >= self.floor, "%s: %d of %d answered, %d promised" % (self.keys[0].decode(), sum(done), self.answered, self.floor))
        self.counts = [first, second]
        return max(0, self.answered - sum(done))


class Handoff:
    """One client pushes what another waits for: each item is in one of the two lists, and in none twice."""

    def __init__(self, name):
        self.queue, self.done = name + b":queue", name + b":done"
        self.count = 0
        self.open([])

    def needs(self):
        return 2

    def open(self, clients):
        self.clients = clients
        self.pushes = self.moves = False
        self.base = self.count
        self.answered = self.sent = self.floor = 0
        self.times = []

    def pump(self):
        if not self.moves:
            self.clients[1].socket.sendall(packed(["BLMOVE", self.queue, self.done, "LEFT", "RIGHT", 0]))
            self.moves = True
        if not self.pushes:
            self.sent += 1
            self.clients[0].socket.sendall(packed(["RPUSH", self.queue, b"%d" % (self.base + self.sent)]))
            self.pushes = True

    def take(self, client):
        for reply in client.receive():
            if isinstance(reply, Refused):
                raise Failed("%s was refused: %s" % (self.queue.decode(), reply))
            if client is self.clients[1]:
                self.moves = False
            else:
                self.pushes = False
                self.answered += 1
                self.times.append(time.monotonic())

    def verify(self, found):
        items = found.values.get(self.done, []) + found.values.get(self.queue, [])
        check(items == [b"%d" % n for n in range(1, len(items) + 1)], "%s: %s" % (self.queue.decode(), items[-10:]))
        count = len(items) - self.base
        check(self.floor <= count <= self.sent, "%s: %d of %d" % (self.queue.decode(), count, self.answered))
        self.count = len(items)
        return max(0, self.answered - count)


class Found:
    """All that a server has in database 0."""

    READS = {
        b"string": lambda key: ["GET", key],
        b"list": lambda key: ["LRANGE", key, 0, -1],
        b"hash": lambda key: ["HGETALL", key],
        b"set": lambda key: ["SMEMBERS", key],
        b"zset": lambda key: ["ZRANGE", key, 0, -1, "WITHSCORES"],
        b"stream": lambda key: ["XRANGE", key, "-", "+"],
    }

    def __init__(self, client):
        keys = client.call("KEYS", "*")
        kinds = client.many([["TYPE", key] for key in keys])
        values = client.many([self.READS[kind](key) for key, kind in zip(keys, kinds)])
        left = client.many([["TTL", key] for key in keys])
        self.deadlines = {key: seconds for key, seconds in zip(keys, left) if seconds >= 0}
        self.values = {key: self.shaped(kind, value) for key, kind, value in zip(keys, kinds, values)}

    @staticmethod
    def shaped(kind, value):
        if kind == b"set":
            return set(value)
        if kind in (b"hash", b"zset"):
            return dict(zip(value[::2], value[1::2]))
        return value


def connect(work, port):
    for it in work:
        it.open([Client(port) for _ in range(it.needs())])


def drain(work):
    """Takes the answers that left before the end."""
    for it in work:
        for client in it.clients:
            try:
                while True:
                    it.take(client)
            except (Lost, OSError):
                client.close()
