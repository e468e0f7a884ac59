"""Locks: set nx px with a token of one's own, and a release which never frees somebody else's lock. Without scripts this is done by
WATCH and MULTI, or by one command where the server has it: DELEX (Redis 8.4) or DELIFEQ (Valkey 9)."""

import random
import time
import uuid

import redis
from redis_py import has, open_client, together
from use_case import equal, run, skip, use_case


def release(client, key, token):
    with client.pipeline() as pipe:
        pipe.watch(key)
        if pipe.get(key) != token:
            return 0
        pipe.multi()
        pipe.delete(key)
        try:
            return pipe.execute()[0]
        except redis.WatchError:
            return 0


@use_case("B25 acquire and release by the owner alone")
def owner(case):
    client = open_client(case)
    me, them = str(uuid.uuid4()), str(uuid.uuid4())
    equal([client.set("invoice:1", me, nx=True, px=5000), client.set("invoice:1", them, nx=True, px=5000)], [True, None])
    equal([release(client, "invoice:1", them), release(client, "invoice:1", me)], [0, 1])
    equal(client.set("invoice:1", them, nx=True, px=5000), True)


@use_case("B25.race twenty workers, one lock: never two inside")
def race(case):
    client = open_client(case)
    inside, most = [], []

    def work(number):
        token = str(uuid.uuid4())
        while not client.set("cron", token, nx=True, px=10_000):
            time.sleep(random.random() / 100)
        inside.append(number)
        most.append(len(inside))
        time.sleep(0.001)
        inside.remove(number)
        return release(client, "cron", token)

    equal(together(20, work), [1] * 20)
    equal(max(most), 1)


@use_case("B25.delex compare and delete in one command")
def delex(case):
    client = open_client(case)
    forms = []
    if has(client, "delex"):
        forms.append(lambda key, token: client.delex(key, ifeq=token))
    if has(client, "delifeq"):
        forms.append(lambda key, token: client.execute_command("DELIFEQ", key, token))
    if not forms:
        skip("the server has neither DELEX nor DELIFEQ")
    for form in forms:
        client.set("lock", "mine", px=5000)
        equal([form("lock", "theirs"), form("lock", "mine"), form("lock", "mine"), client.get("lock")], [0, 1, 0, None])


run()
