"""Celery with two real workers: tasks and their results, retries, times, chains and chords, and what happens when a worker dies."""

import signal
import sys
import time

from celery import chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError
from celery.exceptions import TimeoutError as CeleryTimeout
from celery_tasks import add, app, broken, echo, flaky, hold, note, notes, steps, total
from processes import end, said, start
from redis_py import open_client
from use_case import equal, eventually, fails, ok, run, use_case

_workers = {}


def begin(name, *options):
    return start(sys.executable, "-W", "ignore", "-m", "celery", "-A", "celery_tasks", "worker", "--hostname", f"{name}@test", "--loglevel", "WARNING", *options)


def worker(name, *options):
    """A worker which has reported for work."""
    process = begin(name, *options)

    def ready():
        ok(process.poll() is None, f"the worker ended with {process.poll()}: {said(process)}")
        return app.control.inspect(destination=[f"{name}@test"], timeout=0.3).ping()

    eventually(f"worker {name} answers", ready, 15)
    return process


def workers():
    """Two of them for most use cases, started by the first one: one with processes, one with threads."""
    if not _workers:
        _workers["one"] = worker("one", "--concurrency", "2", "--pool", "prefork")
        _workers["two"] = worker("two", "--concurrency", "4", "--pool", "threads")


def results(pending, patience=10):
    return [each.get(timeout=patience) for each in pending]


@use_case("B29.add tasks with their arguments and results")
def tasks(case):
    workers()
    equal(results([add.delay(number, 1) for number in range(50)]), list(range(1, 51)))
    value = {"text": "Привет ✓", "numbers": [1, 2.5, -3, 1e21, None, True], "empty": [{}, []]}
    result = echo.apply_async([value], task_id="known")
    equal([result.get(timeout=10), result.state, app.AsyncResult("known").result], [value, "SUCCESS", value])
    backend = open_client(case, db=1)
    ok(3500 < backend.ttl("celery-task-meta-known") <= 3600, "results have a lifetime")
    result.forget()
    equal([backend.exists("celery-task-meta-known"), app.AsyncResult("known").state], [0, "PENDING"])
    fails(CeleryTimeout, "", app.AsyncResult("no such task").get, timeout=0.2)


@use_case("B29.failed an error comes back as what it was")
def failed(case):
    workers()
    result = broken.delay("no ✓")
    fails(ValueError, "no ✓", result.get, timeout=10)
    equal([result.state, isinstance(result.result, ValueError), "ValueError: no ✓" in result.traceback, result.failed()], ["FAILURE", True, True, True])
    equal(repr(broken.delay("again").get(timeout=10, propagate=False)), "ValueError('again')")


@use_case("B29.retry again after the pause that was agreed, until it gives up")
def retry(case):
    workers()
    equal(flaky.delay("flaky:good", 2).get(timeout=15), 2)
    times = [float(at) for at in notes.lrange("flaky:good", 0, -1)]
    equal(len(times), 3)
    ok(all(later - earlier >= 0.199 for earlier, later in zip(times, times[1:])), f"pauses of {times}")
    fails(OSError, "try 3", flaky.delay("flaky:bad", 9).get, timeout=15)
    equal(notes.llen("flaky:bad"), 4)


@use_case("B29.delayed not before its time, and never after its end")
def delayed(case):
    workers()
    asked = time.time()
    pending = [note.apply_async(["delayed", number], countdown=countdown) for number, countdown in [(3, 0.9), (1, 0.3), (2, 0.6)]]
    equal(results(pending), [3, 1, 2])
    happened = {int(number): float(at) - asked for number, at in (line.split() for line in notes.lrange("delayed", 0, -1))}
    # How exactly is up to the worker, which looks at its plan about once a second.
    for number, at in happened.items():
        ok(0.3 * number - 0.001 <= at < 0.3 * number + 3, f"task {number} after {at} s")
    fails(TaskRevokedError, "expired", note.apply_async(["delayed", 4], countdown=0.3, expires=0.1).get, timeout=10)
    equal(notes.llen("delayed"), 3)


@use_case("B29.flow chains, groups and chords")
def flow(case):
    workers()
    equal(chain(add.s(1, 2), add.s(3), add.s(4)).delay().get(timeout=10), 10)
    equal(group(add.s(number, number) for number in range(20)).delay().get(timeout=10), [2 * number for number in range(20)])
    equal(chord([add.s(number, number) for number in range(30)], total.s()).delay().get(timeout=15), 870)
    # A chain out of a chord, of chords within chords.
    nested = chord([chord([add.s(number, 1) for number in range(5)], total.s()) for _ in range(3)], total.s())
    equal(chain(nested, add.s(100)).delay().get(timeout=15), 145)
    equal(results([add.chunks([(number, number) for number in range(10)], 3).group().delay()], 15), [[[0, 2, 4], [6, 8, 10], [12, 14, 16], [18]]])
    # Which of the two comes depends on who is asked first, the part or the whole.
    fails((ChordError, ValueError), "broken part", chord([add.s(1, 1), broken.s("broken part")], total.s()).delay().get, timeout=15)
    many = [chord([add.s(number, 1), add.s(number, 2)], total.s()).delay() for number in range(20)]
    equal(results(many, 15), [2 * number + 3 for number in range(20)])


@use_case("B29.many five hundred tasks and two workers, each task exactly once")
def many(case):
    workers()
    pending = group(note.s("many", number) for number in range(500)).delay()
    equal(pending.get(timeout=18), list(range(500)))
    equal(sorted(int(line.split()[0]) for line in notes.lrange("many", 0, -1)), list(range(500)), "each once")
    broker = open_client(case)
    equal([broker.llen("celery"), eventually("all are acknowledged", lambda: broker.hlen("unacked") == 0)], [0, True])


@use_case("B29.progress a task that tells how far it is, and one that is called off")
def progress(case):
    workers()
    result = steps.delay("steps")
    eventually("it is half done", lambda: result.state == "PROGRESS")
    equal(result.info, {"done": 1, "of": 2})
    notes.rpush("steps", "go on")
    equal(result.get(timeout=10), "done")
    gone = note.apply_async(["gone", 1], countdown=1)
    gone.revoke()
    fails(TaskRevokedError, "revoked", gone.get, timeout=10)
    equal(notes.exists("gone"), 0)


@use_case("B29.who workers answer what they do")
def who(case):
    workers()
    inspect = app.control.inspect(timeout=3, limit=2)
    equal(sorted(inspect.ping()), ["one@test", "two@test"])
    ok(all("celery_tasks.add" in known for known in inspect.registered().values()), "they know the tasks")
    equal(sorted(inspect.stats()), ["one@test", "two@test"])
    result = hold.delay("who")
    eventually("it is at work", lambda: result.state == "STARTED")
    equal([task["id"] for tasks in inspect.active().values() for task in tasks], [result.id])
    notes.rpush("who", "go")
    equal(result.get(timeout=10), 1)


@use_case("B29.priority the most urgent first, from a queue of its own")
def priority(case):
    workers()
    order = [0, 9, 3, 6] * 5
    pending = [note.apply_async(["priority", f"{priority}:{turn}"], queue="urgent", priority=priority) for turn, priority in enumerate(order)]
    process = worker("urgent", "--pool", "solo", "--queues", "urgent")
    case.later(lambda: end(process))
    results(pending)
    done = [line.split()[0].split(":") for line in notes.lrange("priority", 0, -1)]
    equal([[int(each) for each in pair] for pair in done], sorted([priority, turn] for turn, priority in enumerate(order)))


@use_case("B29.stalled a task whose worker was killed is done by another one")
def stalled(case):
    first = worker("first", "--pool", "solo", "--queues", "precious")
    result = hold.apply_async(["precious"], queue="precious")
    eventually("it has begun", lambda: notes.get("precious:begun") == "1")
    first.send_signal(signal.SIGKILL)
    first.wait()
    broker = open_client(case)
    equal(broker.hlen("unacked"), 1, "it is not acknowledged")
    # After that time what a worker took and did not acknowledge is taken for lost.
    time.sleep(1.1)
    second = begin("second", "--pool", "solo", "--queues", "precious")
    case.later(lambda: end(second))
    eventually("it has begun again", lambda: notes.get("precious:begun") == "2", 12)
    notes.rpush("precious", "go")
    equal(result.get(timeout=10), 1)
    eventually("nothing is left", lambda: broker.hlen("unacked") == 0 and broker.zcard("unacked_index") == 0)


run()
