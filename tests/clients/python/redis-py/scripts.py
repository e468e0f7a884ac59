"""Scripts and functions: releasing a lock, what goes back and forth between Lua and the client, libraries that stay in the server."""

import hashlib
import json
import uuid

import redis
from redis_py import open_client, together
from use_case import EVERY_BYTE, equal, fails, ok, run, use_case

RELEASE = 'if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end'
TAKE = """local left = tonumber(redis.call("get", KEYS[1]) or 137)
if left < tonumber(ARGV[1]) then return -1 end
redis.call("set", KEYS[1], left - ARGV[1])
return left - ARGV[1]"""


@use_case("B25.script releasing a lock by the well-known script, and the lock of the library")
def release(case):
    client = open_client(case)
    me, them = str(uuid.uuid4()), str(uuid.uuid4())
    equal([client.set("invoice:1", me, nx=True, px=5000), client.set("invoice:1", them, nx=True, px=5000)], [True, None])
    equal([client.eval(RELEASE, 1, "invoice:1", them), client.eval(RELEASE, 1, "invoice:1", me), client.eval(RELEASE, 1, "invoice:1", me)], [0, 1, 0])
    with client.lock("report", timeout=5) as lock:
        equal([lock.owned(), client.lock("report", timeout=5).acquire(blocking=False), lock.extend(10), lock.reacquire()], [True, False, True, True])
    equal(client.exists("report"), 0)
    lock = client.lock("report", timeout=5)
    lock.acquire()
    client.set("report", "somebody else")
    fails(redis.exceptions.LockNotOwnedError, "", lock.release)


@use_case("B25.script.sha a script by its digest, forgotten and told again")
def digest(case):
    client = open_client(case)
    sha = hashlib.sha1(RELEASE.encode()).hexdigest()
    client.script_flush()
    fails(redis.exceptions.NoScriptError, "No matching script", client.evalsha, sha, 1, "k", "v")
    equal([client.script_load(RELEASE), client.script_exists(sha, "0" * 40), client.evalsha(sha, 1, "k", "v")], [sha, [True, False], 0])
    take = client.register_script(TAKE)
    client.script_flush()
    equal([take(keys=["stock"], args=[100]), take(keys=["stock"], args=[30]), take(keys=["stock"], args=[30])], [37, 7, -1])
    client.script_flush()
    with client.pipeline() as pipe:
        take(keys=["stock"], args=[2], client=pipe)
        pipe.get("stock")
        equal(pipe.execute(), [5, "5"])
    answers = sum(together(10, lambda _: [take(keys=["seats"], args=[1]) for _ in range(20)]), [])
    equal(sorted(left for left in answers if left >= 0), list(range(137)))


@use_case("B25.script.values values there and back, libraries and errors")
def values(case):
    client = open_client(case)
    equal(client.eval("return {1, 2.9, 'text', true, false, {ok = 'fine'}, {'a', {'b'}}, nil, 'never'}", 0), [1, 2, "text", 1, None, "fine", ["a", ["b"]]])
    equal(open_client(case, decode_responses=False).eval("return {KEYS[1], ARGV[1]}", 1, EVERY_BYTE, EVERY_BYTE), [EVERY_BYTE, EVERY_BYTE])
    job = {"id": 7, "name": "Привет", "tags": ["a", "b"], "rate": 2.5, "done": False, "deep": {"er": [1]}}
    equal(json.loads(client.eval("local job = cjson.decode(ARGV[1]); job.attempts = 1; return cjson.encode(job)", 0, json.dumps(job))), {**job, "attempts": 1})
    equal(client.eval("return {cjson.encode(cjson.decode('[]')), #cmsgpack.pack({1, 2}), bit.band(255, 15), struct.unpack('>I2', '\\1\\2')}", 0), ["{}", 3, 15, 258, 3])
    client.rpush("list", "x")
    fails(redis.ResponseError, "WRONGTYPE", client.eval, "return redis.call('incr', KEYS[1])", 1, "list")
    fails(redis.ResponseError, "own words", client.eval, "return redis.error_reply('MY own words')", 0)
    fails(redis.ResponseError, "nonexistent global variable 'nothing'", client.eval, "return nothing", 0)
    fails(redis.ResponseError, "read-only scripts", client.eval_ro, "return redis.call('set', 'a', 1)", 0)


@use_case("B25.functions a library is loaded, called, replaced and taken away")
def functions(case):
    client = open_client(case)

    def library(version):
        return f"""#!lua name=shop
redis.register_function("take", function(keys, args) return redis.call("DECRBY", keys[1], args[1]) end)
redis.register_function{{function_name = "version", callback = function() return {version} end, flags = {{"no-writes"}}}}"""

    client.function_flush()
    equal(client.function_load(library(1)), "shop")
    fails(redis.ResponseError, "Library 'shop' already exists", client.function_load, library(1))
    equal([client.fcall("take", 1, "goods", 3), client.fcall_ro("version", 0), client.function_load(library(2), replace=True), client.fcall("version", 0)], [-3, 1, "shop", 2])
    listed = json.dumps(client.function_list(library="sh*", withcode=True), default=str)
    ok('"take"' in listed and '"LUA"' in listed and "#!lua name=shop" in listed, listed)
    binary = open_client(case, decode_responses=False)
    dump = binary.function_dump()
    equal([bool(client.function_flush()), bool(binary.function_restore(dump)), client.fcall("version", 0)], [True, True, 2])
    equal(bool(client.function_delete("shop")), True)
    fails(redis.ResponseError, "Function not found", client.fcall, "version", 0)


run()
