"""What every Python driver shares: use cases are declared with `@use_case(name)`, and `run()` runs them one after the other and prints
one JSON line for each. A driver is a process of its own, so that a hung client costs one file and not the whole run; its first line
names all use cases, so that the runner knows what a crash swallowed. node/lib/use_case.mjs does the same for Node."""

import json
import os
import signal
import sys
import time
import traceback

_job = json.loads(os.environ.get("CLIENT_TEST", '{"client": "", "host": "127.0.0.1", "port": 6379}'))

CLIENT = _job["client"]
HOST, PORT = _job["host"], _job["port"]
# The second server, which wants a password; None when the runner was given none.
AUTH_PORT, PASSWORD = _job.get("authPort"), _job.get("password")

# All 256 byte values, so that nothing in a key or value can be taken for an end of line, a length or bad UTF-8.
EVERY_BYTE = bytes(range(256))

# A use case that waits longer than this has hung; the slowest one takes about ten seconds on a busy machine.
PATIENCE = 40
# So much of a pause counts: while the whole machine stands still, as virtual ones do now and then, nobody's patience ends.
PAUSE_MAX = 0.5

_declared = []


_at_end = []


class Skip(Exception):
    """The server or the machine cannot do this, and that is no fault."""


class Case:
    """Handed to each use case: what it opens is closed after it, in reverse order."""

    def __init__(self):
        self._cleanups = []

    def later(self, cleanup):
        self._cleanups.append(cleanup)

    def clean(self):
        for cleanup in reversed(self._cleanups):
            try:
                cleanup()
            except Exception:
                # The connection may be gone already, which is what some use cases are about.
                pass


def use_case(name):
    """Declares one use case. Its first word is the number in the list of use cases, the rest says what an app does."""

    def declare(body):
        _declared.append((name, body))
        return body

    return declare


def at_end(cleanup):
    """For what several use cases share and a driver has to end itself, such as processes."""
    _at_end.append(cleanup)


def skip(reason):
    raise Skip(reason)


def equal(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError(f"{what}: got {_brief(actual)}, wanted {_brief(expected)}")


def ok(condition, what):
    if not condition:
        raise AssertionError(what)


def fails(kind, words, call, *args, **kwargs):
    """Calls what must fail with an error of this kind whose text has these words, and hands the error back."""
    try:
        reply = call(*args, **kwargs)
    except kind as error:
        if words not in str(error):
            raise AssertionError(f"failed with {error!r}, wanted the words {words!r}") from error
        return error
    raise AssertionError(f"got {_brief(reply)}, wanted {kind} {words!r}")


def eventually(what, question, patience=3.0):
    """Asks again and again until the answer is true: for what the server does a moment after its reply."""
    end = _clock.at + patience
    while True:
        answer = question()
        if answer:
            return answer
        if _clock.at > end:
            raise AssertionError(f"still not true after {patience} s: {what}")
        time.sleep(0.01)


def gone_at_deadline(ttl, put, read):
    """Watches a key reach its deadline by reading it. The clock starts somewhere between sending and receiving, so a reply that came
    before the earliest possible deadline must have the value, and a read sent after the latest one must not."""
    sent = time.monotonic()
    put()
    received = time.monotonic()
    while True:
        asked = time.monotonic()
        value = read()
        answered = time.monotonic()
        # Two milliseconds on either side are the server's clock, which counts whole milliseconds and only moves on between commands.
        if value is None and answered < sent + (ttl - 2) / 1000:
            raise AssertionError(f"gone {1000 * (sent - answered) + ttl:.0f} ms too early")
        if value is not None and asked > received + (ttl + 2) / 1000:
            raise AssertionError(f"still readable {1000 * (asked - received) - ttl:.0f} ms after its deadline")
        if value is None:
            return
        time.sleep(0.001)


class _Clock:
    """Seconds, as far as this process was given time. It goes on by signals, and ends the use case whose time is over."""

    def __init__(self):
        self.at, self.last, self.end = 0.0, time.monotonic(), None

    def start(self):
        signal.signal(signal.SIGALRM, self.tick)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)

    def tick(self, *_):
        now = time.monotonic()
        self.at += min(now - self.last, PAUSE_MAX)
        self.last = now
        if self.end is not None and self.at > self.end:
            self.end = None
            raise TimeoutError(f"no end after {PATIENCE} s")


_clock = _Clock()


def run():
    _clock.start()
    wanted = [(name, body) for name, body in _declared if _chosen(name)]
    _print({"plan": [name for name, _ in wanted]})
    for name, body in wanted:
        later = next((entry for entry in _job.get("later", []) if _covers(entry["use_case"], _id(name))), None)
        if later:
            _print({"use_case": name, "result": "skipped", "ms": 0, "note": f"later: {later['waits_for']}"})
        else:
            _run_one(name, body)
    for cleanup in reversed(_at_end):
        cleanup()
    sys.stdout.flush()
    # Threads of a client library must not keep the process, and with it the run, from ending.
    os._exit(0)


def _run_one(name, body):
    case, started = Case(), time.monotonic()

    def report(result, note=None):
        _print({"use_case": name, "result": result, "ms": round(1000 * (time.monotonic() - started)), "note": note})

    _clock.end = _clock.at + PATIENCE
    try:
        body(case)
        report("passed")
    except Skip as reason:
        report("skipped", str(reason))
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if ".venv" not in frame.filename and not frame.filename.endswith("use_case.py")]
        place = f"({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
        report("failed", f"{type(error).__name__}: {error} {place}")
    finally:
        _clock.end = None
        case.clean()


def _chosen(name):
    wanted = _job.get("use_cases") or []
    return not wanted or any(_covers(entry, _id(name)) for entry in wanted)


def _id(name):
    return name.split(" ", 1)[0]


def _covers(entry, use_case_id):
    """"B13" stands for itself and for its parts, "B13.getdel" and so on."""
    return use_case_id == entry or use_case_id.startswith(entry + ".")


def _brief(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "…"


def _print(line):
    print(json.dumps(line), flush=True)
