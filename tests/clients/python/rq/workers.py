"""RQ with real workers: jobs and their results, times, retries, dependencies, the registries, and what happens when a worker dies."""

import signal
import sys
import time
from datetime import datetime, timedelta, timezone

import redis
import rq_tasks
from processes import end, said, start
from redis_py import open_client
from rq import Callback, Queue, Repeat, Retry, Worker
from rq.command import send_shutdown_command, send_stop_job_command
from rq.group import Group
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq_tasks import notes
from use_case import HOST, PORT, equal, eventually, fails, ok, run, use_case

_workers = []


def connect(case):
    # RQ reads bytes.
    client = redis.Redis(host=HOST, port=PORT)
    case.later(client.close)
    return client


def worker(*queues, options=()):
    """A worker which has reported for work."""
    name = f"worker-{len(_workers)}"
    _workers.append(start(sys.executable, "-W", "ignore", "-m", "rq.cli", "worker", "--url", f"redis://{HOST}:{PORT}/0", "--name", name, "--logging_level", "WARNING", *options, *queues))
    process, client = _workers[-1], redis.Redis(host=HOST, port=PORT)

    def ready():
        ok(process.poll() is None, f"the worker ended with {process.poll()}: {said(process)}")
        return client.hget(f"rq:worker:{name}", "state") in (b"idle", b"busy")

    eventually(f"{name} is there", ready, 15)
    client.close()
    process.name = name
    return process


def workers():
    """Two of them for most use cases, started by the first one; they also look after the jobs which wait for their time."""
    if not _workers:
        for _ in range(2):
            worker("high", "default", options=["--with-scheduler"])


def finished(jobs, patience=10):
    eventually("all are done", lambda: all(job.get_status() in ("finished", "failed") for job in jobs), patience)
    return [job.return_value() for job in jobs]


@use_case("B29.add jobs with their arguments and results")
def jobs(case):
    workers()
    queue = Queue(connection=connect(case))
    pending = [queue.enqueue(rq_tasks.add, number, 1) for number in range(20)]
    equal(finished(pending), list(range(1, 21)))
    value = {"text": "Привет ✓", "bytes": b"\\x00\\xff", "empty": [{}, []]}
    job = queue.enqueue(rq_tasks.echo, value, job_id="known", meta={"of": "ann"}, result_ttl=100)
    equal([finished([job]), Job.fetch("known", connection=queue.connection).meta, job.get_status()], [[value], {"of": "ann"}, "finished"])
    ok(90 < queue.connection.ttl("rq:job:known") <= 100, "results have a lifetime")
    equal([queue.count, job.latest_result().return_value, len(job.results())], [0, value, 1])
    job.delete()
    equal([Job.exists("known", connection=queue.connection), [key for key in queue.connection.keys("rq:*known*")]], [False, []])


@use_case("B29.failed a failed job is in the registry of those, and can be done again")
def failed(case):
    workers()
    queue = Queue(connection=connect(case))
    job = queue.enqueue(rq_tasks.broken, "no ✓", on_failure=Callback(rq_tasks.failed))
    finished([job])
    registry = FailedJobRegistry(queue=queue)
    eventually("it is in the registry", lambda: job.id in registry)
    equal([job.get_status(refresh=True), registry.count, "ValueError: no ✓" in job.latest_result().exc_string], ["failed", 1, True])
    eventually("the callback was called", lambda: notes.lrange("failed", 0, -1) == [f"{job.id} ValueError no ✓"])
    registry.requeue(job)
    eventually("it has failed again", lambda: notes.llen("failed") == 2 and job.id in registry)
    registry.remove(job, delete_job=True)
    equal([registry.count, Job.exists(job.id, connection=queue.connection)], [0, False])
    good = queue.enqueue(rq_tasks.add, 1, 2, on_success=Callback(rq_tasks.succeeded))
    finished([good])
    eventually("the other callback, too", lambda: notes.lrange("succeeded", 0, -1) == [f"{good.id} 3"])
    eventually("it is in the other registry", lambda: good.id in FinishedJobRegistry(queue=queue))


@use_case("B29.retry again at once and after a pause")
def retry(case):
    workers()
    queue = Queue(connection=connect(case))
    jobs = [queue.enqueue(rq_tasks.flaky, "at once", 3, retry=Retry(max=3)), queue.enqueue(rq_tasks.flaky, "later", 2, retry=Retry(max=2, interval=2)), queue.enqueue(rq_tasks.flaky, "never", 9, retry=Retry(max=1))]
    eventually("they have ended", lambda: [job.get_status() for job in jobs] == ["finished", "finished", "failed"], 12)
    equal([notes.llen("at once"), notes.llen("later"), notes.llen("never")], [3, 2, 2])
    first, second = [float(at) for at in notes.lrange("later", 0, -1)]
    # The plan knows whole seconds.
    ok(second - first >= 1, f"a pause of {second - first} s")


@use_case("B29.delayed scheduled jobs are not before their time")
def delayed(case):
    workers()
    queue = Queue(connection=connect(case))
    asked = time.time()
    jobs = [queue.enqueue_in(timedelta(seconds=seconds), rq_tasks.note, "delayed", seconds) for seconds in (2, 1)]
    jobs.append(queue.enqueue_at(datetime.now(timezone.utc) + timedelta(seconds=1), rq_tasks.note, "delayed", 1))
    far = queue.enqueue_in(timedelta(hours=1), rq_tasks.note, "delayed", 3600)
    registry = ScheduledJobRegistry(queue=queue)
    equal([registry.count, far.get_status()], [4, "scheduled"])
    finished(jobs, 12)
    for line in notes.lrange("delayed", 0, -1):
        seconds, at = line.split()
        # The plan knows whole seconds, and is looked at every second.
        ok(float(at) - asked >= int(seconds) - 1, f"{seconds} s came after {float(at) - asked} s")
    equal([registry.count, far.id in registry], [1, True])
    registry.remove(far, delete_job=True)


@use_case("B29.repeat a job that comes again and again")
def repeat(case):
    workers()
    queue = Queue(connection=connect(case))
    queue.enqueue(rq_tasks.note, "repeat", "x", repeat=Repeat(times=2, interval=1))
    eventually("three times", lambda: notes.llen("repeat") == 3, 12)


@use_case("B29.flow jobs which wait for others, and groups")
def flow(case):
    workers()
    queue = Queue(connection=connect(case))
    parents = [queue.enqueue(rq_tasks.note, "flow", f"parent {number}".replace(" ", "-")) for number in range(5)]
    child = queue.enqueue(rq_tasks.note, "flow", "child", depends_on=parents)
    grandchild = queue.enqueue(rq_tasks.note, "flow", "grandchild", depends_on=child)
    eventually("all are done", lambda: grandchild.get_status() == "finished", 10)
    order = [line.split()[0] for line in notes.lrange("flow", 0, -1)]
    equal([len(order), order[5:]], [7, ["child", "grandchild"]])
    # What waits for a job that fails stays where it is, until it is told not to mind.
    bad = queue.enqueue(rq_tasks.broken, "no")
    waiting = queue.enqueue(rq_tasks.echo, 1, depends_on=bad)
    eventually("it has failed", lambda: bad.get_status() == "failed")
    equal([waiting.get_status(), waiting.id in queue.deferred_job_registry], ["deferred", True])
    group = Group(connection=queue.connection)
    group.enqueue_many(queue, [Queue.prepare_data(rq_tasks.add, (number, number)) for number in range(10)])
    finished(group.get_jobs())
    equal(sorted(job.return_value() for job in group.get_jobs()), [2 * number for number in range(10)])


@use_case("B29.order in turn, the urgent queue first, and at the front")
def order(case):
    queue, urgent = [Queue(name, connection=connect(case)) for name in ("slow", "quick")]
    jobs = [queue.enqueue(rq_tasks.note, "order", number) for number in range(5)]
    jobs.append(queue.enqueue(rq_tasks.note, "order", "front", at_front=True))
    jobs += [urgent.enqueue(rq_tasks.note, "order", "urgent") for _ in range(2)]
    equal([queue.count, queue.job_ids[0], queue.get_job_position(jobs[0].id)], [6, jobs[5].id, 1])
    process = start(sys.executable, "-W", "ignore", "-m", "rq.cli", "worker", "--url", f"redis://{HOST}:{PORT}/0", "--burst", "--logging_level", "WARNING", "--worker-class", "rq.SimpleWorker", "quick", "slow")
    finished(jobs)
    equal([line.split()[0] for line in notes.lrange("order", 0, -1)], ["urgent", "urgent", "front", "0", "1", "2", "3", "4"])
    eventually("a worker of that kind ends by itself", lambda: process.poll() == 0, 10)


@use_case("B29.many two hundred jobs and three workers, each job exactly once")
def many(case):
    queue = Queue("many", connection=connect(case))
    equal(len(queue.enqueue_many([Queue.prepare_data(rq_tasks.note, ("many", number)) for number in range(200)])), 200)
    processes = [start(sys.executable, "-W", "ignore", "-m", "rq.cli", "worker", "--url", f"redis://{HOST}:{PORT}/0", "--burst", "--logging_level", "WARNING", "--worker-class", "rq.SimpleWorker", "many") for _ in range(3)]
    eventually("all workers have ended", lambda: all(process.poll() is not None for process in processes), 25)
    equal([process.returncode for process in processes], [0, 0, 0])
    equal(sorted(int(line.split()[0]) for line in notes.lrange("many", 0, -1)), list(range(200)))
    equal([queue.count, FinishedJobRegistry(queue=queue).count, StartedJobRegistry(queue=queue).count], [0, 200, 0])
    queue.empty()
    queue.delete()


@use_case("B29.progress a job tells how far it is, is stopped, and is cancelled")
def progress(case):
    workers()
    queue = Queue(connection=connect(case))
    job = queue.enqueue(rq_tasks.progress, "progress")
    eventually("it is half done", lambda: job.get_meta(refresh=True).get("done") == "half")
    eventually("it is in the registry of those at work", lambda: job.id in StartedJobRegistry(queue=queue))
    busy = [each for each in Worker.all(connection=queue.connection) if each.get_current_job_id() == job.id]
    equal([len(busy), busy[0].get_state()], [1, "busy"])
    notes.rpush("progress", "go on")
    equal(finished([job]), [job.id])
    # The command goes to the worker over a channel.
    stopped = queue.enqueue(rq_tasks.hold, "stopped")
    eventually("it has begun", lambda: notes.llen("stopped:begun") == 1)
    eventually("it is known to have begun", lambda: stopped.id in StartedJobRegistry(queue=queue))
    send_stop_job_command(queue.connection, stopped.id)
    eventually("it was stopped", lambda: stopped.get_status() == "stopped")
    equal(notes.exists("stopped:done"), 0)
    late = queue.enqueue_in(timedelta(hours=1), rq_tasks.hold, "late")
    late.cancel()
    equal(late.get_status(), "canceled")


@use_case("B29.stalled a job whose worker was killed is found and failed, and can be done again")
def stalled(case):
    client = connect(case)
    queue = Queue("precious", connection=client)
    first = worker("precious", options=["--worker-class", "rq.SimpleWorker"])
    job = queue.enqueue(rq_tasks.hold, "precious", job_timeout=1)
    eventually("it has begun", lambda: notes.llen("precious:begun") == 1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    registry = StartedJobRegistry(queue=queue)
    eventually("it is still taken for one at work", lambda: job.id in registry)
    # A worker that is gone cannot prolong its claim; what is due is found when somebody looks, which every new worker does.
    client.zadd(registry.key, {member: 1 for member in client.zrange(registry.key, 0, -1)})
    registry.cleanup()
    eventually("it has failed", lambda: job.get_status() == "failed" and job.id in FailedJobRegistry(queue=queue))
    second = worker("precious", options=["--worker-class", "rq.SimpleWorker"])
    job.requeue()
    notes.rpush("precious", "go")
    equal(finished([job]), [1])
    send_shutdown_command(client, second.name)
    eventually("it goes when it is asked over a channel", lambda: second.poll() == 0, 10)


@use_case("B29.who who works, and a worker that is asked to go")
def who(case):
    workers()
    client = connect(case)
    before = Worker.count(connection=client, queue=Queue("farewell", connection=client))
    process = worker("farewell")
    equal([before, Worker.count(connection=client, queue=Queue("farewell", connection=client))], [0, 1])
    mine = [each for each in Worker.all(connection=client) if each.name == process.name]
    equal([len(mine), mine[0].pid, mine[0].queue_names()], [1, process.pid, ["farewell"]])
    ok(any(line.get("name") == process.name for line in open_client(case).client_list()), "its connection has its name")
    end(process)
    equal([process.returncode, Worker.count(connection=client, queue=Queue("farewell", connection=client))], [0, 0])
    fails(Exception, "No such job", Job.fetch, "none", connection=client)


run()
