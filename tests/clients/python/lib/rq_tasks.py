"""What the workers of the RQ driver, processes of their own, do. `notes` is where they write down that they did it."""

import os
import time

import redis
from rq import get_current_job
from use_case import HOST, PORT

notes = redis.Redis(host=HOST, port=PORT, db=2, decode_responses=True)


def add(x, y):
    return x + y


def echo(value):
    return value


def note(key, value):
    notes.rpush(key, f"{value} {time.time()}")
    return value


def broken(words):
    raise ValueError(words)


def flaky(key, good_at):
    if notes.rpush(key, str(time.time())) < good_at:
        raise OSError("not yet")
    return "at last"


def progress(key):
    job = get_current_job()
    job.meta["done"] = "half"
    job.save_meta()
    notes.blpop(key, 10)
    return job.id


def hold(key):
    notes.rpush(f"{key}:begun", os.getpid())
    notes.blpop(key, 10)
    return notes.incr(f"{key}:done")


def succeeded(job, connection, result, *args):
    """What is called when a job has succeeded."""
    notes.rpush("succeeded", f"{job.id} {result}")


def failed(job, connection, kind, value, trace):
    """What is called when a job has failed."""
    notes.rpush("failed", f"{job.id} {kind.__name__} {value}")
