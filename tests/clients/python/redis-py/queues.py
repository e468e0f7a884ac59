"""Lists: job queues with waiting workers, queues that survive a worker's death, stacks, timelines."""

import threading
import time

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis_py import open_client, together
from use_case import EVERY_BYTE, equal, eventually, fails, ok, run, use_case


def jobs_to(count):
    return [f"job:{number}" for number in range(count)]


def waiting(client, count):
    """Returns when as many connections as that wait in a blocking command."""
    eventually(f"{count} clients wait", lambda: client.info("clients")["blocked_clients"] == count)


class Background:
    """A call in a thread of its own."""

    def __init__(self, call, *args, **kwargs):
        self._result, self._error = None, None
        self._thread = threading.Thread(target=self._run, args=(call, args, kwargs), daemon=True)
        self._thread.start()

    def _run(self, call, args, kwargs):
        try:
            self._result = call(*args, **kwargs)
        except BaseException as error:
            self._error = error

    def result(self):
        self._thread.join(10)
        ok(not self._thread.is_alive(), "it came to an end")
        if self._error:
            raise self._error
        return self._result


def popped(reply):
    return reply and list(reply)


@use_case("B28 lpush here, brpop there, first in and first out")
def queue(case):
    client = open_client(case)
    equal([client.lpush("queue:emails", '{"to":"a"}'), popped(client.brpop("queue:emails", 0))], [1, ["queue:emails", '{"to":"a"}']])
    work = Background(lambda: [client.brpop("queue:emails", 0)[1] for _ in range(50)])
    for job in jobs_to(50):
        client.lpush("queue:emails", job)
    equal([work.result(), client.exists("queue:emails")], [jobs_to(50), 0])


@use_case("B28.timeout a pause without jobs ends in None")
def timeout(case):
    client = open_client(case)
    asks = [lambda: client.brpop("none", 0.05), lambda: client.blpop(["none", "nothing"], 0.05), lambda: client.blmove("none", "other", 0.05), lambda: client.bzpopmin("none", 0.05), lambda: client.blmpop(0.05, 2, "none", "nothing", direction="LEFT"), lambda: client.bzmpop(0.05, 1, ["none"], min=True)]
    for number, ask in enumerate(asks):
        asked = time.monotonic()
        equal(ask(), None, f"question {number}")
        waited = time.monotonic() - asked
        ok(0.048 < waited < 2, f"waited {waited} s instead of 0.05")
    fails(redis.ResponseError, "timeout is negative", client.brpop, "none", -1)


@use_case("B28.turns ten waiting workers are served in the order in which they came")
def turns(case):
    client, workers = open_client(case), []
    for number in range(10):
        workers.append(Background(client.blpop, "turns", 0))
        waiting(client, number + 1)
    for job in jobs_to(10):
        client.rpush("turns", job)
    equal([worker.result()[1] for worker in workers], jobs_to(10))


@use_case("B28.fleet twenty threads work off what five push: each job exactly once")
def fleet(case):
    client = open_client(case)

    def work(_):
        mine = []
        while (job := client.brpop("fleet", 0)[1]) != "stop":
            mine.append(job)
        return mine

    workers = Background(together, 20, work)
    together(5, lambda number: [client.lpush("fleet", f"{number}:{job}") for job in range(200)])
    client.lpush("fleet", *["stop"] * 20)
    equal(sorted(sum(workers.result(), [])), sorted(f"{number}:{job}" for number in range(5) for job in range(200)))


@use_case("B28.multi a push in a transaction serves after it, a pop in a transaction does not wait")
def multi(case):
    client = open_client(case)
    worker = Background(client.blpop, "tx", 0)
    waiting(client, 1)
    equal(client.pipeline().rpush("tx", "a", "b").lpop("tx").rpush("tx", "c").execute(), [2, "a", 2])
    equal([popped(worker.result()), client.lrange("tx", 0, -1)], [["tx", "b"], ["c"]])
    equal([popped(reply) for reply in client.pipeline().blpop("tx", 0).blpop("tx", 0).execute()], [["tx", "c"], None])


@use_case("B28.killed a worker whose connection is lost asks again and gets the next job")
def killed(case):
    client = open_client(case)
    worker = Background(open_client(case, retry=Retry(ConstantBackoff(0.02), 5)).brpop, "alive", 0)
    waiting(client, 1)
    before = next(line["id"] for line in client.client_list() if line["cmd"] == "brpop")
    equal(client.client_kill_filter(_id=before), 1)
    eventually("it waits again", lambda: [line for line in client.client_list() if line["cmd"] == "brpop" and line["id"] != before])
    client.lpush("alive", "once")
    equal([popped(worker.result()), client.exists("alive")], [["alive", "once"], 0])


@use_case("B28.unblock CLIENT UNBLOCK ends the wait of another connection")
def unblock(case):
    client = open_client(case)
    for error, end in [(False, lambda worker: equal(worker.result(), None)), (True, lambda worker: fails(redis.ResponseError, "UNBLOCKED client unblocked via CLIENT UNBLOCK", worker.result))]:
        worker = Background(client.blpop, "never", 0)
        waiting(client, 1)
        number = next(line["id"] for line in client.client_list() if line["cmd"] == "blpop" and "b" in line["flags"])
        ok(client.client_unblock(int(number), error), "unblocked")
        end(worker)


@use_case("B30 a reliable queue: a job is in one of two lists until it is done")
def reliable(case):
    client = open_client(case)
    client.lpush("jobs", *jobs_to(3))
    equal([client.blmove("jobs", "doing:1", 0, "RIGHT", "LEFT"), client.lrem("doing:1", 1, "job:0"), client.llen("doing:1")], ["job:0", 1, 0])
    equal([client.lmove("jobs", "doing:1", "RIGHT", "LEFT"), client.rpoplpush("jobs", "doing:1")], ["job:1", "job:2"])
    while client.lmove("doing:1", "jobs", "LEFT", "RIGHT"):
        pass
    equal(client.lrange("jobs", 0, -1), ["job:2", "job:1"])
    equal([client.brpoplpush("jobs", "doing:2", 0), client.blmove("jobs", "doing:2", 1, "RIGHT", "LEFT"), client.lmove("jobs", "doing:2")], ["job:1", "job:2", None])
    equal([client.lrange("doing:2", 0, -1), client.exists("jobs", "doing:1")], [["job:2", "job:1"], 0])


@use_case("B36 timelines kept short: one post into a thousand lists")
def timelines(case):
    client = open_client(case)
    for post in range(6):
        fan = client.pipeline(transaction=False)
        for follower in range(1000):
            fan.lpush(f"timeline:{follower}", f"post:{post}").ltrim(f"timeline:{follower}", 0, 4)
        equal(fan.execute(), [min(post, 5) + 1, True] * 1000, f"post {post}")
    for follower in (0, 999):
        equal(client.lrange(f"timeline:{follower}", 0, -1), [f"post:{post}" for post in range(5, 0, -1)])


@use_case("B35.lists a stack, and reaching into the middle")
def lists(case):
    client = open_client(case)
    raw = open_client(case, decode_responses=False)
    equal([raw.lpush("stack", "a", EVERY_BYTE), raw.lpop("stack"), client.lpushx("no", "x"), client.rpushx("stack", "z")], [2, EVERY_BYTE, 0, 2])
    equal([client.rpush("long", *jobs_to(2000)), client.lindex("long", 1000), client.lindex("long", 2000), client.lpos("long", "job:1500")], [2000, "job:1000", None, 1500])
    equal([client.lset("long", 1000, "changed"), client.linsert("long", "BEFORE", "changed", "before"), client.lrange("long", 999, 1001)], [True, 2001, ["job:999", "before", "changed"]])
    equal([client.lpop("long", 2), client.rpop("long", 2), client.lpop("no", 2), client.llen("long"), client.lpop("long", 0)], [jobs_to(2), ["job:1999", "job:1998"], None, 1997, []])
    client.rpush("colors", "red", "blue", "red")
    equal([client.lpos("colors", "red", count=0), client.lpos("colors", "red", rank=-1), client.lrem("colors", -1, "red"), client.lrange("colors", 0, -1)], [[0, 2], 2, 1, ["red", "blue"]])
    equal([client.lmpop(2, "no", "colors", direction="RIGHT", count=5), client.exists("colors")], [["colors", ["blue", "red"]], 0])
    fails(redis.ResponseError, "no such key", client.lset, "no", 0, "x")
    fails(redis.ResponseError, "index out of range", client.lset, "long", 99_999, "x")


run()
