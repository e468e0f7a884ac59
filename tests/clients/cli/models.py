"""Streams, scripts, functions, places, visitors and fields with a lifetime, as the tools print them and as people try them out."""

import tempfile

from cli import Terminal, run_cli, says, start
from use_case import equal, eventually, ok, run, use_case


@use_case("B33.cli a stream and its group in the words of both protocols")
def streams(case):
    equal([says("XADD", "events", "1-1", "user", "ann"), says("XADD", "events", "1-2", "user", "bob"), says("XLEN", "events")], ["1-1", "1-2", "2"])
    equal(says("-2", "--no-raw", "XRANGE", "events", "-", "+", "COUNT", "1"), '1) 1) "1-1"\n   2) 1) "user"\n      2) "ann"')
    equal(says("-2", "--no-raw", "XREAD", "STREAMS", "events", "1-1"), '1) 1) "events"\n   2) 1) 1) "1-2"\n         2) 1) "user"\n            2) "bob"')
    equal(says("-3", "--json", "XREAD", "STREAMS", "events", "1-1"), '{"events":[["1-2",["user","bob"]]]}')
    equal([says("XGROUP", "CREATE", "events", "g", "0"), says("-3", "--json", "XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "events", ">")], ["OK", '{"events":[["1-1",["user","ann"]]]}'])
    equal([says("--no-raw", "XPENDING", "events", "g"), says("XACK", "events", "g", "1-1")], ['1) (integer) 1\n2) "1-1"\n3) "1-1"\n4) 1) 1) "c"\n      2) "1"', "1"])
    equal(says("--no-raw", "XGROUP", "CREATE", "events", "g", "0"), "(error) BUSYGROUP Consumer Group name already exists")
    reader = start(case, "XREAD", "BLOCK", "0", "STREAMS", "events", "$")
    eventually("it waits", lambda: "blocked_clients:1\r" in run_cli("INFO", "clients").stdout.decode())
    says("XADD", "events", "2-1", "user", "cid")
    equal([reader.stdout.read(), reader.wait(5)], [b"events\n2-1\nuser\ncid\n", 0])


@use_case("B25.script.cli scripts from the command line and from a file")
def scripts(case):
    equal(says("--no-raw", "EVAL", "return {KEYS[1], ARGV[1], 1, {false, 'x'}}", "1", "k", "v"), '1) "k"\n2) "v"\n3) (integer) 1\n4) 1) (nil)\n   2) "x"')
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write("-- A comment.\nredis.call('set', KEYS[1], ARGV[1])\nreturn redis.call('get', KEYS[1]) .. '!'\n")
        file.flush()
        equal(says("--eval", file.name, "greeting", ",", "hello"), "hello!")
    sha = says("SCRIPT", "LOAD", "return 7")
    equal([len(sha), says("EVALSHA", sha, "0"), says("SCRIPT", "EXISTS", sha), says("SCRIPT", "FLUSH"), says("EVALSHA", sha, "0").split(".")[0]], [40, "7", "1", "OK", "NOSCRIPT No matching script"])
    ok("user_script:1" in says("EVAL", "return x.y", "0"), "says where")


@use_case("B25.functions.cli a library from a file, given as the last argument")
def functions(case):
    says("FUNCTION", "FLUSH")
    library = b"#!lua name=lib\nredis.register_function('twice', function(keys, args) return 2 * args[1] end)\n"
    equal([says("-x", "FUNCTION", "LOAD", stdin=library), says("FCALL", "twice", "0", "21")], ["lib", "42"])
    ok("twice" in says("FUNCTION", "LIST"), "it is listed")
    equal([says("FUNCTION", "DELETE", "lib"), says("--no-raw", "FCALL", "twice", "0")], ["OK", "(error) ERR Function not found"])


@use_case("B31.cli places, and B23 visitors")
def places(case):
    equal(says("GEOADD", "sicily", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"), "2")
    equal([says("GEODIST", "sicily", "Palermo", "Catania", "km"), says("GEOSEARCH", "sicily", "FROMLONLAT", "15", "37", "BYRADIUS", "200", "km", "ASC")], ["166.2742", "Catania\nPalermo"])
    equal([says("PFADD", "visitors", "a", "b", "c"), says("PFCOUNT", "visitors"), says("--no-raw", "PFADD", "sicily", "a")[:17]], ["1", "3", "(error) WRONGTYPE"])


@use_case("B10.fields.cli fields with a lifetime")
def fields(case):
    says("HSET", "login:7", "otp", "1", "user", "ann")
    equal([says("HEXPIRE", "login:7", "300", "FIELDS", "2", "otp", "none"), says("HTTL", "login:7", "FIELDS", "2", "otp", "user")], ["1\n-2", "300\n-1"])
    says("HPEXPIRE", "login:7", "20", "FIELDS", "1", "otp")
    eventually("it is gone", lambda: says("HGETALL", "login:7") == "user\nann")


@use_case("B6.tracking.cli what has to be forgotten is shown at a terminal")
def tracking(case):
    says("SET", "watched", "1")
    person = Terminal(case, "-3")
    person.expect(r"> ")
    person.enter("client tracking on", "OK")
    person.enter("get watched", '"1"')
    says("SET", "watched", "2")
    # The tool shows what was pushed with the next reply.
    person.enter("ping", r"-> invalidate: 'watched'.*PONG")


run()
