"""What a server finds when it starts: files that another one writes, what a dead one left, and a log whose end is spoiled.
"""

import os
import shutil
import subprocess

from server import Client, Server, check, free_port, wait_for

LOG = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
INCR = "appendonlydir/appendonly.aof.1.incr.aof"


def locked(place, options, others):
    """The second of two servers on one folder ends, and says why; the first does not care."""
    server = Server(place, *options)
    client = server.start()
    client.call("SET", "a", "1")
    second = Server(place, *others, "--port", str(free_port()), folder=server.folder)
    second.log_path = server.log_path.with_suffix(".second")
    second.spawn()
    code = wait_for("the second server to end", lambda: second.process.poll(), 10)
    check(code == 1, "it ended with %s" % code)
    check("Another server writes the same files" in second.log(), "it does not say why: %s" % second.tail())
    check(not client.error("SET", "a", "2"), "the first server was disturbed")
    server.kill()
    # What is locked is not locked any more when its holder was killed.
    check(server.start().call("GET", "a") == (b"2" if "yes" in options else None), "the first server's data is gone")
    server.kill()
    return "two servers on one folder (%s, %s): the second ends with 1 and says why" % (options[1], others[1])


def locked_later(place):
    """A server that only begins to write a log must not write that of another."""
    server = Server(place, *LOG)
    client = server.start()
    client.call("SET", "a", "1")
    port = free_port()
    second = Server(place, "--appendonly", "no", "--save", "", "--port", str(port), folder=server.folder)
    second.log_path = server.log_path.with_suffix(".second")
    second.spawn()
    wait_for("the second server", lambda: "Ready to accept" in second.log(), 10)
    other = Client(port)
    check(other.error("CONFIG", "SET", "appendonly", "yes"), "two servers write one log")
    check(not client.error("SET", "a", "2"), "the first server was disturbed")
    second.kill()
    server.kill()
    check(server.start().call("GET", "a") == b"2", "what the first answered is gone")
    server.kill()
    return "CONFIG SET appendonly yes beside a server that writes the log: refused"


def swept(place):
    """Temporary files of processes that are no more go; those of others stay."""
    server = Server(place, *LOG)
    client = server.start()
    client.call("SET", "a", "1")
    server.kill()
    gone = subprocess.Popen(["true"])
    gone.wait()
    folder = server.folder
    stale = [
        folder / ("temp-%d.rdb" % gone.pid), folder / ("temp-bgsave-%d.rdb" % gone.pid), folder / ("temp-rewriteaof-bg-%d.aof" % gone.pid),
        folder / "appendonlydir/temp-appendonly.aof.incr", folder / "appendonlydir/temp-appendonly.aof.manifest",
    ]
    kept = [folder / ("temp-%d.rdb" % os.getpid()), folder / "temp-notes.txt"]
    for path in stale + kept:
        path.write_bytes(b"REDIS0011 and no more")
    check(server.start().call("GET", "a") == b"1", "the data is gone")
    left = [path.name for path in stale if path.exists()]
    check(not left, "stale files are left: %s" % left)
    check(all(path.exists() for path in kept), "files of others were removed")
    check(server.log().count("Removed the stale temp file") == len(stale), "it does not say so: %s" % server.tail())
    server.kill()
    return "%d stale temporary files swept, those of live processes left alone" % len(stale)


def read_again(place):
    """DEBUG LOADAOF reads the log, and writes nothing."""
    server = Server(place, *LOG, "--enable-debug-command", "yes")
    client = server.start()
    for n in range(10):
        client.call("SETBIT", "map", n, 1)
    size = (server.folder / INCR).stat().st_size
    for _ in range(3):
        client.call("DEBUG", "LOADAOF")
    check((server.folder / INCR).stat().st_size == size, "what was read was written again")
    check(not client.error("SETBIT", "map", 10, 1), "a write was refused")
    server.kill()
    check(server.start().call("BITCOUNT", "map") == 11, "what was written afterwards is gone")
    server.kill()
    return "DEBUG LOADAOF: nothing is written twice, and what follows is"


def narrowed(place):
    """A log that was written under a higher limit than the one it is read under; and a line that nobody can obey."""
    server = Server(place, *LOG)
    client = server.start()
    client.call("SETBIT", "bits", 80000000, 1)
    client.call("SETRANGE", "range", 9000000, "end")
    client.call("SET", "text", "x" * 2000000)
    client.call("APPEND", "text", "y" * 2000000)
    server.kill()
    lower = Server(place, *LOG, "--proto-max-bulk-len", "1mb", folder=server.folder)
    client = lower.start()
    lengths = [client.call("STRLEN", key) for key in ("bits", "range", "text")]
    check(lengths == [10000001, 9000003, 4000000], "of what was written there is: %s" % lengths)
    check("refused" not in lower.log(), "a line was refused: %s" % lower.tail())
    check(client.error("APPEND", "text", "z"), "the limit does not hold for clients")
    lower.kill()
    with open(server.folder / INCR, "ab") as log:
        log.write(b"*2\r\n$4\r\nINCR\r\n$4\r\ntext\r\n")
    last = Server(place, *LOG, folder=server.folder)
    check(last.start().call("STRLEN", "text") == 4000000, "the data is gone")
    check("were refused: 1, the first of them INCR: ERR value is not" in last.log(), "it does not say so")
    last.kill()
    return "a log is read under a lower limit than it was written under: all is there; a line that is refused is said"


def fewer_databases(place):
    """Keys of a database that is not there any more must not get among those of another."""
    texts = []
    for options in (LOG, ["--save", ""]):
        server = Server(place, *options, "--databases", "32")
        client = server.start()
        client.call("SET", "a", "zero")
        client.call("SELECT", 20)
        client.call("SET", "b", "twenty")
        if options is not LOG:
            client.call("SAVE")
        server.kill()
        fewer = Server(place, *options, "--databases", "16", folder=server.folder)
        fewer.spawn()
        code = wait_for("the server to end", lambda: fewer.process.poll(), 10)
        check(code == 1, "it ended with %s" % code)
        check("configured to handle more than 16 databases" in fewer.log(), "it does not say why: %s" % fewer.tail())
        client = server.start()
        check(client.call("GET", "a") == b"zero", "the data is gone")
        client.call("SELECT", 20)
        check(client.call("GET", "b") == b"twenty", "the data is gone")
        server.kill()
        texts.append(options[1] or "no")
    return "data of 32 databases, and 16 to load it into (appendonly %s): refused, and kept" % ", ".join(texts)


def torn(place):
    """A log that is cut anywhere in its last units, or has something else behind them."""
    server = Server(place, *LOG)
    client = server.start()
    whole = server.folder / INCR
    # Where each unit ends, and what is there then.
    ends = [(whole.stat().st_size, 0)]
    units = [
        [["SET", "k1", "v1"]], [["RPUSH", "l", "a", "b"]], [["MULTI"], ["SET", "m1", "1"], ["SET", "m2", "1"], ["EXEC"]],
        [["SET", "k2", "\r\n*3\r\n"]], [["EVAL", "redis.call('SET','e1','1') redis.call('SET','e2','1')", 0]], [["SET", "k3", "v3"]],
    ]
    for unit in units:
        client.many(unit)
        ends.append((whole.stat().st_size, client.call("DBSIZE")))
    server.kill()
    content = whole.read_bytes()
    first = ends[1][0]
    cuts = 0
    damaged = Server(place, *LOG)
    for cut in range(len(content) - 1, first - 1, -1 if place.is_thorough else -9):
        end, keys = max(entry for entry in ends if entry[0] <= cut)
        try_cut(server, damaged, content[:cut], end, keys, content[end:cut])
        cuts += 1
    multi, delete = b"*1\r\n$5\r\nMULTI\r\n", b"*2\r\n$3\r\nDEL\r\n$2\r\nk1\r\n"
    # Ends that lack something, and such with zeros in them, which file systems leave where data did not get to the disk.
    tails = [
        b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$100\r\n", b"*2\r\n$5\r\nMULTI", multi + delete,
        b"\0" * 100, b"#TS:1\0\0\0\r\n", b"#TS:1" + b"\0" * 2000, b"*1" + b"\0" * 2000,
        b"*1\r\n$4\r\nP\0\0G\r\n", multi + delete + b"*1\r\n$4\r\n\0\0\0\0\r\n",
    ]
    for tail in tails:
        try_cut(server, damaged, content + tail, len(content), ends[-1][1], tail)
    # Something that is no command at all is only cut off when that is allowed.
    nonsense = [b"garbage that is no command\r\n", b"\xff" * 40, b"*1\r\n$4\r\nEXEC\r\n", multi + delete + multi + delete]
    for tail in nonsense:
        lay(server, damaged, content + tail)
        damaged.spawn()
        code = wait_for("the server to end", lambda: damaged.process.poll(), 10)
        check(code == 1, "it ended with %s" % code)
        check("aof-load-corrupt-tail-max-size" in damaged.log() or "redis-check-aof" in damaged.log(), "it does not say what to do: %s" % damaged.tail())
        try_cut(server, damaged, content + tail, len(content), ends[-1][1], tail, "--aof-load-corrupt-tail-max-size", "1000")
    # Without leave to cut anything off, nothing is.
    lay(server, damaged, content[:-3])
    damaged.spawn("--aof-load-truncated", "no")
    check(wait_for("the server to end", lambda: damaged.process.poll(), 10) == 1, "it did not end with 1")
    check((damaged.folder / INCR).read_bytes() == content[:-3], "the log was changed")
    return "the log cut at %d places, and %d kinds of other ends: started, what was cut off is kept aside" % (cuts, len(tails) + len(nonsense))


def lay(server, damaged, content):
    shutil.rmtree(damaged.folder)
    shutil.copytree(server.folder, damaged.folder)
    (damaged.folder / INCR).write_bytes(content)


def try_cut(server, damaged, content, end, keys, cut, *options):
    """Started on this log the server has so many keys, and keeps what it cut off."""
    lay(server, damaged, content)
    client = damaged.start(*options)
    where = "%d bytes: " % len(content)
    check(client.call("DBSIZE") == keys, where + "%d keys, %d expected" % (client.call("DBSIZE"), keys))
    check(client.call("EXISTS", "m1", "m2") != 1 and client.call("EXISTS", "e1", "e2") != 1, where + "half a unit is there")
    check((damaged.folder / INCR).stat().st_size == end, where + "the log was not cut off where it is whole")
    aside = [path.read_bytes() for path in (damaged.folder / "appendonlydir").iterdir() if ".cut-" in path.name]
    check(aside == ([cut] if cut else []), where + "kept aside is %s instead of %s" % (aside, cut))
    check(not cut or ".cut-" in damaged.log(), where + "it does not say what was cut off: %s" % damaged.tail())
    # It is written on behind what is left.
    client.call("SET", "more", "1")
    client.close()
    damaged.kill()
    if cut and len(content) % 7 == 0:
        client = damaged.start()
        check(client.call("DBSIZE") == keys + 1, where + "what was written afterwards is gone")
        client.close()
        damaged.kill()


def run(place):
    snapshots = ["--appendonly", "no", "--save", "3600 1"]
    yield locked(place, LOG, LOG)
    yield locked(place, snapshots, snapshots)
    yield locked_later(place)
    yield swept(place)
    yield read_again(place)
    yield narrowed(place)
    yield fewer_databases(place)
    yield torn(place)
