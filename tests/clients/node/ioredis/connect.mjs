// How an app's connection begins and ends: URL forms, password, database, name, the ready check, many connections, losing one.
import { equal, eventually, fails, guarded, ok, server, skip, useCase } from "../lib/use_case.mjs";
import { fieldsOf, open, protocol, Redis, ReplyError, version } from "../lib/ioredis.mjs";

const { host, port } = server;

useCase("A1 connect, ready check and what the server then knows of us", async (t) => {
  const redis = open(t, { connectionName: "web-1", db: 3 });
  const events = [];
  for (const event of ["connect", "ready", "error"]) redis.on(event, () => events.push(event));
  equal(await redis.ping(), "PONG");
  equal(events, ["connect", "ready"], "events");
  // The library does not wait for its own SETINFO, hence the second look.
  await eventually("lib-name and lib-ver are set", async () => {
    const me = fieldsOf(await redis.client("INFO"));
    return me["lib-name"] === "ioredis" && me["lib-ver"].startsWith(`${version}.`);
  });
  const me = fieldsOf(await redis.client("INFO"));
  equal([me.name, me.db, me.resp], ["web-1", "3", String(protocol)], "name, db, resp");
  equal(Number(me.id), await redis.client("ID"), "id");
  // The ready check splits INFO at CRLF and reads these fields; Sentinel and queue libraries read the role and the version.
  const info = Object.fromEntries((await redis.info()).split("\r\n").filter((line) => line.includes(":")).map((line) => line.split(":", 2)));
  // Valkey says server_mode where Redis says redis_mode.
  equal([info.loading, info.role, info.redis_mode ?? info.server_mode], ["0", "master", "standalone"], "loading, role, mode");
  ok(/^\d+\.\d+\.\d+/.test(info.redis_version), `redis_version is ${info.redis_version}`);
});

useCase("A1.url every URL form reaches its database", async (t) => {
  const forms = { [`redis://${host}:${port}`]: "0", [`redis://${host}:${port}/5`]: "5", [`//${host}:${port}/2`]: "2", [`redis://${host}:${port}?db=7`]: "7" };
  for (const [url, db] of Object.entries(forms)) {
    const redis = new Redis(url, version === 6 ? { protocol } : {});
    t.later(() => redis.disconnect());
    equal(fieldsOf(await redis.client("INFO")).db, db, url);
  }
  const plain = new Redis(port, host);
  t.later(() => plain.disconnect());
  equal(await plain.ping(), "PONG", "new Redis(port, host)");
});

useCase("A1.select databases are apart, and an unknown one is refused", async (t) => {
  const redis = open(t);
  await redis.set("apart", "zero");
  await redis.select(1);
  equal(await redis.get("apart"), null);
  await redis.select(0);
  equal(await redis.get("apart"), "zero");
  const error = await fails(redis.select(100000), /^ERR DB index is out of range/);
  ok(error instanceof ReplyError, "a reply error");
  equal(await redis.get("apart"), "zero", "still in the old database");
});

useCase("A3 password in the options and in the URL", async (t) => {
  if (!guarded) skip("no server with a password was given");
  const { password } = guarded;
  const one = open(t, guarded);
  equal(await one.set("secret", "kept"), "OK");
  for (const url of [`redis://:${password}@${host}:${guarded.port}`, `redis://default:${password}@${host}:${guarded.port}/0`]) {
    const redis = new Redis(url, version === 6 ? { protocol } : {});
    t.later(() => redis.disconnect());
    equal(await redis.get("secret"), "kept", url);
  }
});

useCase("A3.wrong a wrong or missing password is the client's own error", async (t) => {
  if (!guarded) skip("no server with a password was given");
  for (const [password, pattern] of [["not the password", /^WRONGPASS /], [undefined, /^NOAUTH /]]) {
    const redis = open(t, { ...guarded, password, retryStrategy: null, lazyConnect: true });
    const heard = new Promise((resolve) => redis.once("error", resolve));
    await redis.connect().catch(() => {});
    const error = await heard;
    ok(error instanceof ReplyError, `a ReplyError, not ${error}`);
    ok(pattern.test(error.message), `${pattern}, not ${error.message}`);
  }
});

useCase("A3.unneeded a password the server never asked for", async (t) => {
  // ioredis forgives this case by the text of the error, so the words matter and not only the prefix. Version 6 logs in with HELLO,
  // which a server without passwords accepts for the default user.
  const warn = console.warn;
  t.later(() => (console.warn = warn));
  console.warn = () => {};
  const redis = open(t, { password: "anything" });
  equal(await redis.ping(), "PONG");
});

useCase("A5 fifty connections at once, each seen by CLIENT LIST", async (t) => {
  const clients = Array.from({ length: 50 }, (_, index) => open(t, { connectionName: `pool-${index}` }));
  equal(await Promise.all(clients.map((redis) => redis.echo("hi"))), Array(50).fill("hi"));
  const names = (await clients[0].client("LIST")).trim().split("\n").map((line) => fieldsOf(line).name);
  for (let index = 0; index < 50; index += 1) ok(names.includes(`pool-${index}`), `pool-${index} is listed`);
  const ids = new Set(await Promise.all(clients.map((redis) => redis.client("ID"))));
  equal(ids.size, 50, "different ids");
});

useCase("A6 duplicate() opens a second connection with the same settings", async (t) => {
  const redis = open(t, { db: 4, connectionName: "original" });
  const copy = redis.duplicate();
  t.later(() => copy.disconnect());
  await redis.set("shared", "yes");
  equal(await copy.get("shared"), "yes");
  equal(fieldsOf(await copy.client("INFO")).db, "4");
  ok((await redis.client("ID")) !== (await copy.client("ID")), "two connections");
});

useCase("A1.killed after CLIENT KILL the client comes back by itself", async (t) => {
  const redis = open(t, { db: 6, retryStrategy: () => 20 });
  const other = open(t);
  await redis.set("survivor", "1");
  const before = await redis.client("ID");
  const closed = new Promise((resolve) => redis.once("close", resolve));
  equal(await other.client("KILL", "ID", before), 1, "killed");
  await closed;
  equal(await redis.get("survivor"), "1", "same database after the reconnect");
  ok((await redis.client("ID")) > before, "a new connection");
});

useCase("A1.quit QUIT answers before it closes", async (t) => {
  const redis = open(t);
  await redis.ping();
  const ended = new Promise((resolve) => redis.once("end", resolve));
  equal(await redis.quit(), "OK");
  await ended;
});

useCase("A2.unknown an unknown subcommand or command is an error and nothing more", async (t) => {
  const redis = open(t);
  await fails(redis.client("MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none"), /^ERR unknown subcommand/i);
  await fails(redis.call("NOSUCHCOMMAND", "x"), /^ERR unknown command 'NOSUCHCOMMAND', with args beginning with: 'x'/);
  await fails(redis.call("GET"), /^ERR wrong number of arguments for 'get' command/);
  equal(await redis.ping("still here"), "still here");
});

useCase("A1.reset RESET brings a connection back to its first state", async (t) => {
  const redis = open(t, { connectionName: "before" });
  await redis.select(9);
  await redis.watch("a");
  equal(await redis.call("RESET"), "RESET");
  // RESET also goes back to RESP2, where a reply with a map would be a plain array: INFO-like text is the same in both.
  const me = fieldsOf(await redis.client("INFO"));
  equal([me.name, me.db, me.resp, me.watch], ["", "0", "2", "0"], "name, db, resp, watch");
});
