// Users with rights of their own: an app that may touch its keys and channels alone, and what it is told about the others.
import { equal, eventually, fails, ok, useCase } from "../lib/use_case.mjs";
import { open, ReplyError } from "../lib/ioredis.mjs";

let count = 0;

/** A user nobody else has, who is gone at the end. */
async function user(t, ...rules) {
  const [admin, username, password] = [open(t), `app-${process.pid}-${(count += 1)}`, "its own s3cret"];
  equal(await admin.call("ACL", "SETUSER", username, "on", `>${password}`, ...rules), "OK");
  t.later(() => admin.call("ACL", "DELUSER", username));
  return { admin, as: { username, password } };
}

useCase("A3.acl an app may what its user may, and is told NOPERM for the rest", async (t) => {
  // Without INFO, which is how ioredis looks whether the server is ready.
  const warn = console.warn;
  t.later(() => (console.warn = warn));
  console.warn = () => {};
  const { admin, as } = await user(t, "~shop:*", "%R~price:*", "&shop:*", "+@all", "-@dangerous");
  await admin.set("price:1", "9.50");
  const redis = open(t, as);
  equal(await redis.call("ACL", "WHOAMI"), as.username);
  equal(await redis.set("shop:1", "x"), "OK");
  equal([await redis.get("shop:1"), await redis.get("price:1")], ["x", "9.50"]);
  for (const [refused, pattern] of [
    [redis.set("other:1", "x"), /^NOPERM .*key/],
    [redis.set("price:1", "0"), /^NOPERM .*key/],
    [redis.rename("shop:1", "other:1"), /^NOPERM .*key/],
    [redis.publish("news", "x"), /^NOPERM .*channel/],
    [redis.call("ACL", "USERS"), /^NOPERM .*'acl\|users'/],
    [redis.flushall(), /^NOPERM .*'flushall'/],
    [redis.eval("return redis.call('GET', 'other:1')", 0), /NOPERM|ACL failure in script/],
  ]) ok((await fails(refused, pattern)) instanceof ReplyError, "a reply error");
  equal(await redis.publish("shop:news", "x"), 0);
  // One refused command of a transaction ends it as a whole.
  await fails(redis.multi().set("shop:2", "x").set("other:2", "x").exec(), /^EXECABORT/);
  equal(await redis.exists("shop:2"), 0);
  const log = await admin.call("ACL", "LOG");
  ok(JSON.stringify(log).includes(as.username), "who was refused is in the log");
});

useCase("A3.acl.change rights that are given or taken count from the next command on", async (t) => {
  const { admin, as } = await user(t, "~*", "&*", "+@all");
  const redis = open(t, { ...as, retryStrategy: null });
  redis.on("error", () => {});
  equal(await redis.incr("acl:counter"), 1);
  await admin.call("ACL", "SETUSER", as.username, "-incr");
  await fails(redis.incr("acl:counter"), /^NOPERM .*'incr'/);
  await admin.call("ACL", "SETUSER", as.username, "+incr");
  equal(await redis.incr("acl:counter"), 2);
  // A password that is no longer his, and then the user is gone: so are his connections.
  await admin.call("ACL", "SETUSER", as.username, "resetpass", ">another one");
  const late = open(t, { ...as, retryStrategy: null, lazyConnect: true });
  const heard = new Promise((resolve) => late.once("error", resolve));
  await late.connect().catch(() => {});
  ok(/^WRONGPASS /.test((await heard).message), "the old password");
  await admin.call("ACL", "DELUSER", as.username);
  await eventually("he is disconnected", () => redis.status === "end");
});
