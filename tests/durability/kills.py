"""A server is killed at any moment, again and again, and has to have what it answered."""

import random
import select
import signal
import time

from load import Chain, Found, Handoff, Writer, connect, drain
from server import Client, Failed, Lost, Refused, Server, check, packed

OPTIONS = {
    "always": ["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
    "everysec": ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
    "no": ["--appendonly", "yes", "--appendfsync", "no", "--save", ""],
    "rdb": ["--appendonly", "no", "--save", "1 1"],
}
EVENTS = {
    True: ["none", "none", "rewrite", "rewrite", "rewrites", "save", "off", "off-on", "off-on", "end"],
    False: ["none", "save", "save", "saves", "saves", "end"],
}
# Keys in another database that make snapshots last a while.
FILL = 8000


class Mode:
    """Rounds on one folder under one policy."""

    def __init__(self, place, name, dice):
        self.name, self.dice, self.place = name, dice, place
        self.has_log = name != "rdb"
        self.server = Server(place, *OPTIONS[name])
        self.work = [*(Writer(b"w%d" % n) for n in range(3)), Chain(b"chain"), Handoff(b"handoff")]
        self.rounds = self.units = self.lost = self.losing_rounds = self.loading_kills = 0
        self.oldest = 0.0
        self.events = {}

    def run(self, rounds):
        client = self.server.start()
        script = "for i = 1, ARGV[1] do redis.call('SET', 'fill:' .. i, i .. string.rep('y', 100)) end"
        client.call("SELECT", 1)
        client.call("EVAL", script, 0, FILL)
        if not self.has_log:
            client.call("SAVE")
        client.close()
        for _ in range(rounds):
            try:
                self.round()
            except Failed as why:
                raise Failed(
                    "%s, round %d, %s: %s\nthe server last printed:\n%s" % (self.name, self.rounds, self.event, why, self.server.tail())
                ) from why
            self.rounds += 1
        self.server.kill()

    def round(self):
        self.event = self.dice.choice(EVENTS[self.has_log])
        self.events[self.event] = self.events.get(self.event, 0) + 1
        connect(self.work, self.place.port)
        control = Control(self)
        died = self.load(control, self.dice.uniform(0.02, 0.5))
        self.server.kill()
        drain(self.work)
        control.client.close()
        for it in self.work:
            if control.is_live or self.event == "end":
                it.floor = it.answered
            self.units += it.answered
        if self.name == "everysec" and control.is_live and self.event != "end":
            self.forgive(died)
        while self.dice.random() < 0.25:
            # It can be killed while it loads, too.
            self.server.spawn()
            time.sleep(self.dice.uniform(0, 0.25))
            self.server.kill()
            self.loading_kills += 1
        client = self.server.start()
        self.verify(client, died)
        client.close()

    def forgive(self, died):
        """What was answered in the last second may be missing, if the disk was syncing."""
        for it in self.work:
            it.floor = sum(1 for at in it.times if at < died - 1.0)

    def load(self, control, seconds):
        """Everybody writes until it is time; says when that was."""
        until = time.monotonic() + seconds
        starts = until - self.dice.uniform(0, min(seconds, 0.3))
        owners = {client.socket: (it, client) for it in self.work for client in it.clients}
        owners[control.client.socket] = (control, control.client)
        while True:
            now = time.monotonic()
            if now >= until:
                if self.event == "end":
                    # It has the time to save everything.
                    code = self.server.kill(signal.SIGTERM)
                    check(code == 0, "it ended with %s" % code)
                self.server.kill()
                return now
            if now >= starts and not control.begun:
                control.begin()
            for it in self.work:
                it.pump()
            control.pump(now)
            for socket in select.select(list(owners), [], [], min(0.01, until - now))[0]:
                it, client = owners[socket]
                try:
                    it.take(client)
                except Lost as why:
                    raise Failed("the server went away by itself: %s" % why)

    def verify(self, client, died):
        found = Found(client)
        expected = {it.name for it in self.work if isinstance(it, Writer)} | {b"chain", b"handoff"}
        foreign = [key for key in found.values if key.split(b":")[0] not in expected]
        check(not foreign, "keys that nobody wrote: %s" % foreign[:5])
        losers = 0
        for it in self.work:
            missing = it.verify(found)
            if missing and self.has_log and self.live:
                self.lost += missing
                self.oldest = max(self.oldest, died - it.times[it.answered - missing])
                losers += 1
        self.losing_rounds += losers > 0
        client.call("SELECT", 1)
        check(client.call("DBSIZE") == FILL, "keys of database 1 are missing: %d" % client.call("DBSIZE"))
        n = self.dice.randint(1, FILL)
        check(client.call("GET", "fill:%d" % n) == b"%d" % n + b"y" * 100, "fill:%d" % n)
        state = client.info()
        check(state["loading"] == "0" and state["aof_enabled"] == str(int(self.has_log)), str(state))
        check(state["rdb_last_bgsave_status"] == "ok" and state["aof_last_write_status"] == "ok", str(state))
        self.verify_files()

    def verify_files(self):
        """No file is left that nobody knows."""
        names = [path.name for path in self.server.folder.iterdir()]
        stale = [name for name in names if name.startswith("temp-") and str(self.server.process.pid) not in name]
        check(not stale, "temporary files were left: %s" % stale)
        log = self.server.folder / "appendonlydir"
        if not log.is_dir() or not self.has_log:
            return
        # What is history may be gone already.
        lines = (log / "appendonly.aof.manifest").read_text().splitlines()
        needed = {line.split()[1] for line in lines if line and not line.endswith(" type h")}
        there = {path.name for path in log.iterdir()}
        gone = needed - there
        check(not gone, "the manifest tells of files that are not there: %s" % gone)

    def report(self):
        events = ", ".join("%d %s" % (count, event) for event, count in sorted(self.events.items()))
        return "%-8s %d kills (%d more while loading), %d units answered, %d lost%s; %s" % (
            self.name, self.rounds, self.loading_kills, self.units, self.lost,
            " in %d rounds, the oldest %d ms old" % (self.losing_rounds, self.oldest * 1000) if self.lost else "", events,
        )


class Control:
    """Has the server save, rewrite, and change its mind; knows what is promised meanwhile."""

    def __init__(self, mode):
        self.mode = mode
        self.client = Client(mode.place.port)
        self.begun = False
        # Whether what is answered is promised from now on.
        mode.live = self.is_live = mode.has_log
        self.waits_for, self.candidate, self.asked_at = None, None, 0
        self.pending = []

    def send(self, *words):
        self.client.socket.sendall(packed(words))
        self.pending.append(words)

    def begin(self):
        self.begun = True
        event = self.mode.event
        if event in ("rewrite", "rewrites"):
            self.send("BGREWRITEAOF")
        elif event in ("save", "saves"):
            self.save()
        elif event in ("off", "off-on"):
            self.freeze()
            self.send("CONFIG", "SET", "appendonly", "no")
            if event == "off-on":
                self.send("CONFIG", "SET", "appendonly", "yes")
                self.waits_for = "log"

    def save(self):
        self.candidate = [it.answered for it in self.mode.work]
        self.send("BGSAVE")

    def freeze(self):
        for it in self.mode.work:
            it.floor = it.answered
        self.mode.live = self.is_live = False

    def pump(self, now):
        if not self.begun or self.pending or now < self.asked_at + 0.005:
            return
        self.asked_at = now
        if self.mode.event == "rewrites":
            self.send("BGREWRITEAOF")
        elif self.waits_for:
            self.send("INFO", "persistence")
        elif self.mode.event == "saves":
            self.save()

    def take(self, client):
        for reply in client.receive():
            words = self.pending.pop(0)
            if words[0] == "BGSAVE":
                self.waits_for = None if isinstance(reply, Refused) else "save"
            elif words[0] == "BGREWRITEAOF":
                pass
            elif isinstance(reply, Refused):
                raise Failed("%s was refused: %s" % (" ".join(words), reply))
            elif words[0] == "INFO":
                self.look(dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line))

    def look(self, state):
        if self.waits_for == "save" and state["rdb_bgsave_in_progress"] == "0":
            check(state["rdb_last_bgsave_status"] == "ok", "BGSAVE failed")
            self.waits_for = None
            if not self.mode.has_log:
                for it, answered in zip(self.mode.work, self.candidate):
                    it.floor = max(it.floor, answered)
        is_rewriting = state["aof_rewrite_in_progress"] != "0" or state["aof_rewrite_scheduled"] != "0"
        if self.waits_for == "log" and not is_rewriting:
            check(state["aof_enabled"] == "1" and state["aof_last_bgrewrite_status"] == "ok", str(state))
            self.waits_for = None
            self.mode.live = self.is_live = True


def run(place, rounds, modes, seed):
    """The rounds, shared out; what came of them, a line for each mode."""
    for number, name in enumerate(modes):
        share = rounds // len(modes) + (number < rounds % len(modes))
        mode = Mode(place, name, random.Random("%s %s" % (seed, name)))
        if share:
            mode.run(share)
            yield mode.report()
