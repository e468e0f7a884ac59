// Sets: permissions, followers and boards, raffles.
import { equal, everyByte, fails, useCase } from "../lib/use_case.mjs";
import { fleet, open } from "../lib/node_redis.mjs";

// In RESP3 a set comes as an array, too, unless the app asks for a Set.
const sorted = async (reply) => [...(await reply)].sort();

useCase("B7.sets permissions of a user", async (t) => {
  const client = await open(t);
  const key = "user:123:permissions";
  equal([await client.sAdd(key, ["read", "write", "read"]), await client.sAdd(key, "admin"), await client.sAdd(key, "admin")], [2, 1, 0]);
  equal([await client.sIsMember(key, "admin"), await client.sIsMember(key, "root"), await client.smIsMember(key, ["read", "root"])], [1, 0, [1, 0]]);
  equal([await sorted(client.sMembers(key)), await client.sCard(key), await client.sMembers("none")], [["admin", "read", "write"], 3, []]);
  equal([await client.sRem(key, ["admin", "root"]), await client.sRem(key, ["read", "write"]), await client.exists(key)], [1, 2, 0]);
  equal([await client.sAdd("bytes", everyByte), await client.sIsMember("bytes", everyByte)], [1, 1]);
  await client.set("text", "x");
  await fails(client.sAdd("text", "x"), /^WRONGTYPE /);
});

useCase("B7.sets.many ten thousand members", async (t) => {
  const client = await open(t);
  const members = Array.from({ length: 10_000 }, (_, index) => `member:${index}`);
  equal([await client.sAdd("many", members), await sorted(client.sMembers("many"))], [10_000, [...members].sort()]);
  const walked = new Set();
  for await (const batch of client.sScanIterator("many", { MATCH: "member:*7", COUNT: 200 })) for (const member of batch) walked.add(member);
  equal([...walked].sort(), members.filter((member) => member.endsWith("7")).sort());
});

useCase("B37 followers: common, together, and not yet followed", async (t) => {
  const client = await open(t);
  const [ann, bob] = ["follows:ann", "follows:bob"];
  await client.multi().sAdd(ann, ["bob", "cid", "dan", "eve"]).sAdd(bob, ["cid", "dan", "fay"]).execAsPipeline();
  equal([await sorted(client.sInter([ann, bob])), await sorted(client.sUnion([ann, bob])), await sorted(client.sDiff([ann, bob])), await client.sInter([ann, "none"])], [["cid", "dan"], ["bob", "cid", "dan", "eve", "fay"], ["bob", "eve"], []]);
  equal([await client.sInterCard([ann, bob]), await client.sInterCard([ann, bob], 1)], [2, 1]);
  equal([await client.sInterStore("common", [ann, bob]), await client.sUnionStore("all", [ann, bob]), await client.sDiffStore("new", [bob, ann]), await client.sMembers("new")], [2, 5, 1, ["fay"]]);
  equal([await client.sInterStore("common", [ann, "none"]), await client.exists("common")], [0, 0], "an empty result is no key");
  equal([await client.sMove(ann, bob, "eve"), await client.sMove(ann, bob, "eve"), await client.sIsMember(bob, "eve")], [1, 0, 1]);
});

useCase("B37.raffle ten connections draw from one pot: every ticket once", async (t) => {
  const client = await open(t);
  const tickets = Array.from({ length: 2000 }, (_, index) => `ticket:${index}`);
  await client.sAdd("pot", tickets);
  equal([new Set(await client.sRandMemberCount("pot", 50)).size, (await client.sRandMemberCount("pot", -50)).length, await client.sCard("pot")], [50, 50, 2000]);
  const drawn = await fleet(t, 10, async (one) => {
    const mine = [];
    for (let ticket = await one.sPop("pot"); ticket !== null; ticket = await one.sPop("pot")) mine.push(ticket, ...(await one.sPopCount("pot", 2)));
    return mine;
  });
  equal(drawn.flat().sort(), [...tickets].sort());
  equal([await client.exists("pot"), await client.sPop("pot"), await client.sPopCount("pot", 3)], [0, null, []]);
});
