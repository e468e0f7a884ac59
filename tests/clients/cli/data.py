"""Lists, hashes, sets and sorted sets as the tools print them, a queue and a subscription at a terminal."""

import json

from cli import Terminal, run_cli, says, start
from use_case import EVERY_BYTE, equal, eventually, ok, run, use_case


@use_case("B35.cli each type in the words of both protocols")
def types(case):
    equal([says("RPUSH", "list", "a", "b", "c"), says("HSET", "hash", "name", "Alex", "followers", "123"), says("SADD", "set", "x"), says("ZADD", "zset", "1.5", "a", "2", "b")], ["3", "2", "1", "2"])
    equal(says("--no-raw", "LRANGE", "list", "0", "-1"), '1) "a"\n2) "b"\n3) "c"')
    equal(says("-2", "--no-raw", "HGETALL", "hash"), '1) "name"\n2) "Alex"\n3) "followers"\n4) "123"')
    equal(says("-3", "--no-raw", "HGETALL", "hash"), '1# "name" => "Alex"\n2# "followers" => "123"')
    equal([says("-2", "--no-raw", "SMEMBERS", "set"), says("-3", "--no-raw", "SMEMBERS", "set")], ['1) "x"', '1~ "x"'])
    equal(says("-2", "--no-raw", "ZRANGE", "zset", "0", "-1", "WITHSCORES"), '1) "a"\n2) "1.5"\n3) "b"\n4) "2"')
    equal(says("-3", "--no-raw", "ZRANGE", "zset", "0", "-1", "WITHSCORES"), '1) 1) "a"\n   2) (double) 1.5\n2) 1) "b"\n   2) (double) 2')
    equal([says("-3", "--json", "HGETALL", "hash"), says("-3", "--json", "ZSCORE", "zset", "a")], ['{"name":"Alex","followers":"123"}', "1.5"])
    equal([says("--no-raw", "HGETALL", "none"), says("-3", "--no-raw", "HGETALL", "none"), says("-3", "--no-raw", "SMEMBERS", "none"), says("--no-raw", "LPOP", "none")], ["(empty array)", "(empty hash)", "(empty set)", "(nil)"])
    equal(says("--no-raw", "LPUSH", "hash", "x"), "(error) WRONGTYPE Operation against a key holding the wrong kind of value")
    equal([says("TYPE", key) for key in ["list", "hash", "set", "zset", "none"]], ["list", "hash", "set", "zset", "none"])
    equal(says("-x", "HSET", "hash", "bytes", stdin=EVERY_BYTE), "1")
    equal(run_cli("--raw", "HGET", "hash", "bytes").stdout, EVERY_BYTE + b"\n")


@use_case("B28.cli a worker in the background waits for what another tool pushes")
def queue(case):
    worker = start(case, "BRPOP", "queue:emails", "0")
    eventually("it waits", lambda: "blocked_clients:1\r" in run_cli("INFO", "clients").stdout.decode())
    says("LPUSH", "queue:emails", '{"to":"a"}')
    equal([worker.stdout.readline(), worker.stdout.readline(), worker.wait(5)], [b"queue:emails\n", b'{"to":"a"}\n', 0])
    equal([says("--no-raw", "BRPOP", "queue:emails", "0.05"), says("EXISTS", "queue:emails")], ["(nil)", "0"])
    # A person sees how long it took.
    person = Terminal(case)
    person.expect(r"> ")
    person.type("blpop later 0\r")
    eventually("the person waits", lambda: "blocked_clients:1\r" in run_cli("INFO", "clients").stdout.decode())
    says("RPUSH", "later", "here")
    person.expect(r'1\) "later"\r\n2\) "here"')


@use_case("B19.cli a subscription at a terminal, and one whose output is read by a program")
def subscription(case):
    listener = start(case, "SUBSCRIBE", "news", "sport")
    equal([listener.stdout.readline() for _ in range(6)], [b"subscribe\n", b"news\n", b"1\n", b"subscribe\n", b"sport\n", b"2\n"])
    equal([says("PUBLISH", "news", "hello"), says("PUBLISH", "weather", "rain")], ["1", "0"])
    equal([listener.stdout.readline() for _ in range(3)], [b"message\n", b"news\n", b"hello\n"])
    equal([says("PUBSUB", "NUMSUB", "news", "weather"), says("PUBSUB", "CHANNELS", "s*")], ["news\n1\nweather\n0", "sport"])
    person = Terminal(case, "-3")
    person.expect(r"> ")
    person.type("psubscribe chat:*\r")
    person.expect(r'1\) "psubscribe"\r\n2\) "chat:\*"\r\n3\) \(integer\) 1')
    equal(says("PUBLISH", "chat:room:45", "user is typing"), "1")
    person.expect(r'1\) "pmessage"\r\n2\) "chat:\*"\r\n3\) "chat:room:45"\r\n4\) "user is typing"')


@use_case("B6.events.cli what happens to keys, watched from a terminal")
def events(case):
    before = says("CONFIG", "GET", "notify-keyspace-events").split("\n")[1]
    case.later(lambda: says("CONFIG", "SET", "notify-keyspace-events", before))
    equal(says("CONFIG", "SET", "notify-keyspace-events", "KEA"), "OK")
    watcher = start(case, "--csv", "PSUBSCRIBE", "__key*__:*")
    equal(watcher.stdout.readline(), b'"psubscribe","__key*__:*",1\n')
    says("-n", "2", "LPUSH", "jobs", "x")
    equal([watcher.stdout.readline() for _ in range(2)], [b'"pmessage","__key*__:*","__keyspace@2__:jobs","lpush"\n', b'"pmessage","__key*__:*","__keyevent@2__:lpush","jobs"\n'])


@use_case("B24.cli a leaderboard in one pipe")
def leaderboard(case):
    replies = says(stdin=b"ZADD board 9500 user:123 9600 user:124 9400.5 user:125\nZRANGE board 0 9 REV WITHSCORES\nZREVRANK board user:123\n")
    equal(replies.split("\n")[:8], ["3", "user:124", "9600", "user:123", "9500", "user:125", "9400.5", "1"])
    equal(json.loads(says("-3", "--json", "ZRANGE", "board", "0", "0", "WITHSCORES")), [["user:125", 9400.5]])


@use_case("A7.hints the help and the hints of commands with many options")
def hints(case):
    person = Terminal(case)
    person.expect(r"> ")
    person.type("zadd ")
    person.expect(r"key \[NX\|XX\] \[GT\|LT\] \[CH\] \[INCR\] score member")
    person.type("\x15blmpop ")
    person.expect(r"timeout numkeys key")
    person.enter("\x15help lpush", r"LPUSH key element.*summary: .*since: .*group: list")
    person.enter("help @list", r"BLMOVE source.*RPUSHX key")


run()
