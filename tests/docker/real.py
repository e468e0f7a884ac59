"""A real server on a folder: fills it with everything that a user's volume may hold, and tells what is there, key by key."""

import subprocess
import tempfile

from container import until

# Of each type a small value and one that is large, numbers and bytes of any kind, deadlines, and several databases. Written by one
# script for each kind, so that it is quick.
KINDS = [
    "for i = 1, 5000 do redis.call('SET', 'k' .. i, i) end",
    "for i = 1, 500 do redis.call('SET', 'session:' .. i, string.rep('s', i), 'EX', 3600 + i) end",
    "redis.call('SET', 'bytes', string.char(0, 255, 13, 10, 34, 39) .. string.rep('\\0', 100)) redis.call('SET', 'empty', '')",
    "redis.call('SET', 'large', string.rep('0123456789', 100000)) redis.call('SETBIT', 'bits', 100000, 1)",
    "for _, n in ipairs({1, 5000}) do for i = 1, n do redis.call('RPUSH', 'list:' .. n, i, 'word ' .. i) end end",
    "for _, n in ipairs({1, 5000}) do for i = 1, n do redis.call('SADD', 'numbers:' .. n, i * 7) redis.call('SADD', 'set:' .. n, 'm' .. i) end end",
    "for _, n in ipairs({1, 5000}) do for i = 1, n do redis.call('HSET', 'hash:' .. n, 'f' .. i, i) end end",
    "for _, n in ipairs({1, 5000}) do for i = 1, n do redis.call('ZADD', 'board:' .. n, i / 3, 'm' .. i) end end redis.call('ZADD', 'board:1', '-inf', 'low')",
    "for i = 1, 5000 do redis.call('PFADD', 'visitors', i) end redis.call('PFADD', 'few', 'a', 'b')",
    "for i = 1, 300 do redis.call('GEOADD', 'places', i / 10, i / 20, 'p' .. i) end",
    "for i = 1, 2000 do redis.call('XADD', 'stream', i .. '-0', 'f', i, 'g', 'x') end "
    "redis.call('XGROUP', 'CREATE', 'stream', 'workers', 0) redis.call('XREADGROUP', 'GROUP', 'workers', 'w1', 'COUNT', 50, 'STREAMS', 'stream', '>') "
    "redis.call('XACK', 'stream', 'workers', '1-0', '2-0') redis.call('XDEL', 'stream', '7-0')",
    "redis.call('HSET', 'mortal', 'a', 1, 'b', 2) redis.call('HEXPIRE', 'mortal', 5000, 'FIELDS', 1, 'a')",
    # As BullMQ has its data.
    "for i = 1, 300 do redis.call('HSET', 'bull:mail:' .. i, 'data', '{}', 'name', 'n') redis.call('LPUSH', 'bull:mail:wait', i) end "
    "redis.call('ZADD', 'bull:mail:delayed', 1e15, '301') redis.call('INCRBY', 'bull:mail:id', 301)",
]
# What comes afterwards: changes, so that a log has more than what was first there.
CHANGES = [
    "for i = 1, 500 do redis.call('INCR', 'k' .. i) redis.call('DEL', 'k' .. (i + 4000)) end",
    "redis.call('LPOP', 'list:5000', 10) redis.call('SPOP', 'set:5000', 5) redis.call('ZPOPMIN', 'board:5000', 5) redis.call('HDEL', 'hash:5000', 'f9')",
    "redis.call('XADD', 'stream', '9000-0', 'f', 1) redis.call('XREADGROUP', 'GROUP', 'workers', 'w2', 'COUNT', 5, 'STREAMS', 'stream', '>')",
    "redis.call('EXPIRE', 'k1', 9000) redis.call('PERSIST', 'session:1') redis.call('RENAME', 'k2', 'renamed') redis.call('COPY', 'board:1', 'copied')",
    "redis.call('LMOVE', 'bull:mail:wait', 'bull:mail:active', 'RIGHT', 'LEFT') redis.call('GETSET', 'k3', 'swapped')",
]
DATABASES = [0, 3, 15]
LIBRARY = "#!lua name=tools\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)"

# One line for each key: name, type, deadline, digest of the value in an order of its own.
CONTENTS = """
local function text(it)
  if type(it) ~= 'table' then return type(it) .. ':' .. tostring(it) end
  if it.double then return 'score:' .. string.format('%.17g', it.double) end
  local parts = {}
  for i, each in ipairs(it) do parts[i] = text(each) end
  return '[' .. table.concat(parts, ',') .. ']'
end
local function sorted(list, step)
  local rows = {}
  for i = 1, #list, step do rows[#rows + 1] = step == 1 and list[i] or list[i] .. '=' .. list[i + 1] end
  table.sort(rows)
  return rows
end
local read = {
  string = function(key) return redis.call('GET', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return sorted(redis.call('SMEMBERS', key), 1) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  hash = function(key)
    local fields, rows = redis.call('HKEYS', key), sorted(redis.call('HGETALL', key), 2)
    table.sort(fields)
    if #fields < 100 and #fields > 0 then rows[#rows + 1] = text(redis.call('HPEXPIRETIME', key, 'FIELDS', #fields, unpack(fields))) end
    return rows
  end,
  stream = function(key)
    local rows = {redis.call('XRANGE', key, '-', '+')}
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local known = {}
      for i = 1, #group, 2 do known[group[i]] = group[i + 1] end
      rows[#rows + 1] = {known.name, known.pending, known['last-delivered-id'], known['entries-read'] or 'unknown', redis.call('XPENDING', key, known.name, '-', '+', 10000)}
      for _, entry in ipairs(rows[#rows][5]) do entry[3] = 0 end
    end
    return rows
  end,
}
local keys, lines = redis.call('KEYS', '*'), {}
table.sort(keys)
for i, key in ipairs(keys) do
  local kind = redis.call('TYPE', key).ok
  lines[i] = table.concat({key, kind, redis.call('PEXPIRETIME', key), redis.sha1hex(text(read[kind](key)))}, ' ')
end
return lines
"""


def contents(cli):
    """What a server holds, by database; `cli` asks it one command."""
    return {database: cli("-n", str(database), "eval", CONTENTS, "0") for database in DATABASES}


def differences(before, after):
    """Keys that are lost, new or not as they were, in words; nothing if there are none."""
    found = []
    for database, text in before.items():
        ours, theirs = set(text.split("\n")), set(after[database].split("\n"))
        found += [f"database {database}: was {line!r}" for line in sorted(ours - theirs)] + [f"database {database}: is {line!r}" for line in sorted(theirs - ours)]
    return "; ".join(found[:20])


class Real:
    def __init__(self, program, volume, appendonly):
        self.client = program.parent / "redis-cli"
        self.socket = tempfile.mktemp(prefix="russet-real-")
        command = [program, "--port", "0", "--unixsocket", self.socket, "--dir", volume, "--appendonly", appendonly, "--maxmemory", "256mb"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.cli("ping") == "PONG", lambda: f"{program} does not start")

    def cli(self, *words):
        done = subprocess.run([self.client, "-s", self.socket, *words], capture_output=True, text=True)
        return done.stdout.rstrip("\n")

    def run(self, *words):
        """A command that must not fail."""
        answer = self.cli("-e", *words)
        assert not answer.startswith(("ERR", "WRONGTYPE", "NOAUTH", "OOM")), f"{words}: {answer}"
        return answer

    def fill(self, appendonly):
        """Everything, then a snapshot or a new base of the log, and then changes, which a log has in its second part."""
        for database in DATABASES:
            for script in KINDS:
                self.run("-n", str(database), "eval", script, "0")
        self.run("function", "load", "replace", LIBRARY)
        if appendonly == "yes":
            self.run("bgrewriteaof")
            until(lambda: "aof_rewrite_in_progress:0" in self.cli("info", "persistence"), lambda: "the log is not rewritten")
        for database in DATABASES:
            for script in CHANGES:
                self.run("-n", str(database), "eval", script, "0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
