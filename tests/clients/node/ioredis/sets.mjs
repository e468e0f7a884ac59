// Sets: permissions, who is online, followers and boards, raffles.
import { equal, everyByte, fails, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

const sorted = async (reply) => [...(await reply)].sort();

useCase("B7.sets permissions of a user", async (t) => {
  const redis = open(t);
  equal([await redis.sadd("user:123:permissions", "read", "write", "read"), await redis.sadd("user:123:permissions", ["write", "admin"])], [2, 1]);
  equal([await redis.sismember("user:123:permissions", "admin"), await redis.sismember("user:123:permissions", "root"), await redis.sismember("none", "x")], [1, 0, 0]);
  equal(await redis.smismember("user:123:permissions", "read", "root", "write"), [1, 0, 1]);
  equal([await sorted(redis.smembers("user:123:permissions")), await redis.scard("user:123:permissions"), await redis.smembers("none")], [["admin", "read", "write"], 3, []]);
  equal([await redis.srem("user:123:permissions", "admin", "root"), await redis.srem("user:123:permissions", "read", "write"), await redis.exists("user:123:permissions")], [1, 2, 0]);
  await redis.set("text", "x");
  await fails(redis.sadd("text", "x"), /^WRONGTYPE /);
});

useCase("B7.sets.bytes any byte in a member, and ten thousand members", async (t) => {
  const redis = open(t);
  equal([await redis.sadd("bytes", everyByte, ""), await redis.sismember("bytes", everyByte), await redis.sismember("bytes", "")], [2, 1, 1]);
  ok((await redis.smembersBuffer("bytes")).some((member) => member.equals(everyByte)), "the same bytes come back");
  const members = Array.from({ length: 10_000 }, (_, index) => `member:${index}`);
  equal(await redis.sadd("many", members), 10_000);
  equal(await sorted(redis.smembers("many")), [...members].sort());
  const walked = new Set();
  for await (const batch of redis.sscanStream("many", { match: "member:*7", count: 200 })) for (const member of batch) walked.add(member);
  equal([...walked].sort(), members.filter((member) => member.endsWith("7")).sort());
});

useCase("B7.sets.kinds small integers, short words and many words are kept in different ways and answer alike", async (t) => {
  const redis = open(t);
  await redis.sadd("set", 3, 1, 2);
  equal([await redis.object("ENCODING", "set"), await sorted(redis.smembers("set"))], ["intset", ["1", "2", "3"]]);
  await redis.sadd("set", "word");
  equal([await redis.object("ENCODING", "set"), await sorted(redis.smembers("set"))], ["listpack", ["1", "2", "3", "word"]]);
  await redis.sadd("set", "x".repeat(100));
  equal([await redis.object("ENCODING", "set"), await redis.scard("set"), await redis.smismember("set", 1, "word", 4)], ["hashtable", 5, [1, 1, 0]]);
});

useCase("B18.online who is online, and for how long", async (t) => {
  const redis = open(t);
  equal(await redis.set("user:123:online", "true", "EX", 60), "OK");
  equal([await redis.expire("user:123:online", 60), await redis.expire("user:124:online", 60)], [1, 0]);
  equal([await redis.sadd("online", 123, 124), await redis.srem("online", 124), await redis.smembers("online")], [2, 1, ["123"]]);
});

useCase("B37 followers: common, together, and not yet followed", async (t) => {
  const redis = open(t);
  await redis.pipeline().sadd("follows:ann", "bob", "cid", "dan", "eve").sadd("follows:bob", "cid", "dan", "fay").sadd("follows:cid", "dan").exec();
  equal(await sorted(redis.sinter("follows:ann", "follows:bob")), ["cid", "dan"]);
  equal(await redis.sinter("follows:ann", "follows:bob", "follows:cid"), ["dan"]);
  equal(await sorted(redis.sunion("follows:ann", "follows:bob")), ["bob", "cid", "dan", "eve", "fay"]);
  equal([await sorted(redis.sdiff("follows:ann", "follows:bob")), await redis.sdiff("follows:bob", "follows:ann")], [["bob", "eve"], ["fay"]]);
  equal([await redis.sinter("follows:ann", "none"), await redis.sdiff("none", "follows:ann"), await sorted(redis.sunion("none", "follows:cid"))], [[], [], ["dan"]]);
  equal([await redis.sintercard(2, "follows:ann", "follows:bob"), await redis.sintercard(2, "follows:ann", "follows:bob", "LIMIT", 1)], [2, 1]);
  equal([await redis.sinterstore("common", "follows:ann", "follows:bob"), await redis.sunionstore("all", "follows:ann", "follows:bob", "follows:cid"), await redis.sdiffstore("new", "follows:bob", "follows:ann")], [2, 5, 1]);
  equal([await sorted(redis.smembers("common")), await redis.scard("all"), await redis.smembers("new")], [["cid", "dan"], 5, ["fay"]]);
  equal([await redis.sinterstore("common", "follows:ann", "none"), await redis.exists("common")], [0, 0], "an empty result is no key");
});

useCase("B37.boards a pin is moved from board to board and is on one of them at every moment", async (t) => {
  const [redis, other] = [open(t), open(t)];
  await redis.sadd("board:a", "pin");
  equal([await redis.smove("board:a", "board:b", "pin"), await redis.smove("board:a", "board:b", "pin"), await redis.exists("board:a")], [1, 0, 0]);
  let moving = true;
  const moves = (async () => {
    for (let move = 0; move < 300; move += 1) await redis.smove(...(move % 2 ? ["board:a", "board:b"] : ["board:b", "board:a"]), "pin");
    moving = false;
  })();
  while (moving) equal(await other.sunion("board:a", "board:b"), ["pin"]);
  await moves;
});

useCase("B37.raffle ten connections draw from one pot: every ticket once", async (t) => {
  const clients = Array.from({ length: 10 }, () => open(t));
  const tickets = Array.from({ length: 2000 }, (_, index) => `ticket:${index}`);
  await clients[0].sadd("pot", tickets);
  const sample = await clients[0].srandmember("pot", 50);
  equal([new Set(sample).size, (await clients[0].srandmember("pot", -50)).length, await clients[0].scard("pot")], [50, 50, 2000], "looking draws nothing");
  ok(sample.every((ticket) => tickets.includes(ticket)), "from the pot");
  const draw = async (redis) => {
    const mine = [];
    for (let ticket = await redis.spop("pot"); ticket !== null; ticket = await redis.spop("pot")) mine.push(ticket, ...(await redis.spop("pot", 2)));
    return mine;
  };
  equal((await Promise.all(clients.map(draw))).flat().sort(), [...tickets].sort());
  equal([await clients[0].exists("pot"), await clients[0].spop("pot"), await clients[0].spop("pot", 3)], [0, null, []]);
});
