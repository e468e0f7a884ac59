"""The app of the Celery driver: its workers, processes of their own, import the same tasks. Broker, results and what the tasks write
down themselves are in three databases of one server, as Celery's own documentation has it."""

import time

import redis
from celery import Celery
from use_case import HOST, PORT

app = Celery("tasks", broker=f"redis://{HOST}:{PORT}/0", backend=f"redis://{HOST}:{PORT}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 1, "queue_order_strategy": "priority"},
    result_expires=3600,
    task_track_started=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)

notes = redis.Redis(host=HOST, port=PORT, db=2, decode_responses=True)


@app.task
def add(x, y):
    return x + y


@app.task
def echo(value):
    return value


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def note(key, value):
    """Writes down when it was done, so that one can see how often and in which order."""
    notes.rpush(key, f"{value} {time.time()}")
    return value


@app.task
def broken(words):
    raise ValueError(words)


@app.task(bind=True, max_retries=3)
def flaky(self, key, good_at):
    notes.rpush(key, str(time.time()))
    if self.request.retries < good_at:
        raise self.retry(countdown=0.2, exc=OSError(f"try {self.request.retries}"))
    return self.request.retries


@app.task(bind=True)
def steps(self, key):
    self.update_state(state="PROGRESS", meta={"done": 1, "of": 2})
    # Goes on when it is told so, for somebody wants to see it half done.
    notes.blpop(key, 10)
    return "done"


@app.task(acks_late=True)
def hold(key):
    """Waits until it is let go; acknowledged only when it is done."""
    notes.incr(f"{key}:begun")
    notes.blpop(key, 10)
    return notes.incr(f"{key}:done")
