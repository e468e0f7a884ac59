// How an app's connection begins and ends: URL forms, password, database, name, many connections, losing one.
import { createClient, SimpleError } from "redis";
import { equal, eventually, fails, guarded, ok, server, skip, useCase } from "../lib/use_case.mjs";
import { connect, open, options, RESP } from "../lib/node_redis.mjs";

const { host, port } = server;

useCase("A2 connect, and what the server then knows of us", async (t) => {
  const client = createClient(options({ name: "web-1", database: 3 }));
  const events = [];
  for (const event of ["connect", "ready", "error"]) client.on(event, () => events.push(event));
  await connect(t, client);
  equal(await client.ping(), "PONG");
  equal(events, ["connect", "ready"], "events");
  const me = await client.clientInfo();
  equal([me.name, me.db, me.resp, me.libName], ["web-1", 3, RESP, "node-redis"], "name, db, resp, lib-name");
  ok(/^6\./.test(me.libVer), `lib-ver ${me.libVer}`);
  equal([me.id, await client.clientGetName()], [await client.clientId(), "web-1"]);
});

useCase("A2.maint CLIENT MAINT_NOTIFICATIONS is refused and the client goes on", async (t) => {
  // The client asks for it by itself in RESP3 and swallows the error; told to insist, it takes the same error for the end.
  const client = await open(t);
  await fails(client.sendCommand(["CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none"]), /^ERR unknown subcommand/i);
  equal(await client.ping(), "PONG");
  if (RESP === 2) return;
  const strict = createClient(options({ maintNotifications: "enabled", socket: { reconnectStrategy: false } }));
  strict.on("error", () => {});
  await fails(strict.connect(), /unknown subcommand/i);
});

useCase("A3 password in the options and in the URL, connectTimeout as apps set it", async (t) => {
  if (!guarded) skip("no server with a password was given");
  const { password } = guarded;
  const one = await open(t, { socket: { port: guarded.port, connectTimeout: 60_000 }, password });
  equal(await one.set("secret", "kept"), "OK");
  for (const [url, db] of [[`redis://:${password}@${host}:${guarded.port}`, 0], [`redis://default:${password}@${host}:${guarded.port}/2`, 2]]) {
    const client = await connect(t, createClient({ url, RESP }));
    equal((await client.clientInfo()).db, db, url);
  }
  const plain = await connect(t, createClient({ url: `redis://${host}:${port}/5`, RESP }));
  equal((await plain.clientInfo()).db, 5);
});

useCase("A3.wrong a wrong or missing password is the client's own error", async (t) => {
  if (!guarded) skip("no server with a password was given");
  for (const [password, pattern] of [["not the password", /^WRONGPASS /], [undefined, /^NOAUTH /]]) {
    const client = createClient(options({ socket: { port: guarded.port, reconnectStrategy: false }, password }));
    client.on("error", () => {});
    const failure = client.connect().then(() => client.get("x"));
    const error = await fails(failure, pattern);
    ok(error instanceof SimpleError, `a SimpleError, not ${error}`);
    if (client.isOpen) client.destroy();
  }
});

useCase("A5 fifty connections at once, each seen by CLIENT LIST", async (t) => {
  // Most of the time is this client's own: it makes a class of its commands for each set of options.
  const clients = await Promise.all(Array.from({ length: 50 }, (_, index) => open(t, { name: `pool-${index}` })));
  equal(await Promise.all(clients.map((client) => client.echo("hi"))), Array(50).fill("hi"));
  const names = (await clients[0].clientList()).map(({ name }) => name);
  for (let index = 0; index < 50; index += 1) ok(names.includes(`pool-${index}`), `pool-${index} is listed`);
}, 100_000);

useCase("A5.pool the client's own pool", async (t) => {
  const pool = (await open(t)).createPool({ minimum: 2, maximum: 10 });
  pool.on("error", () => {});
  t.later(() => pool.destroy());
  await pool.connect();
  await Promise.all(Array.from({ length: 200 }, () => pool.incr("pooled")));
  equal(await pool.get("pooled"), "200");
});

useCase("A6 duplicate() opens a second connection with the same settings", async (t) => {
  const client = await open(t, { database: 4 });
  const copy = await connect(t, client.duplicate());
  await client.set("shared", "yes");
  equal(await copy.get("shared"), "yes");
  ok((await client.clientId()) !== (await copy.clientId()), "two connections");
});

useCase("A2.killed after CLIENT KILL the client comes back by itself", async (t) => {
  const client = await open(t, { database: 6, name: "phoenix", socket: { reconnectStrategy: () => 20 } });
  const other = await open(t);
  await client.set("survivor", "1");
  const before = await client.clientId();
  const back = new Promise((resolve) => client.once("ready", resolve));
  equal(await other.clientKill({ filter: "ID", id: before }), 1, "killed");
  await back;
  equal(await client.get("survivor"), "1", "same database after the reconnect");
  const me = await client.clientInfo();
  ok(me.id > before && me.name === "phoenix", "a new connection of the old name");
  await eventually("the old connection is not listed", async () => (await other.clientList()).every(({ id }) => id !== before));
});

useCase("A2.offline commands given while the connection is down are sent after it", async (t) => {
  const client = await open(t, { socket: { reconnectStrategy: () => 20 } });
  const other = await open(t);
  const lost = new Promise((resolve) => client.once("reconnecting", resolve));
  await other.clientKill({ filter: "ID", id: await client.clientId() });
  await lost;
  equal(await Promise.all([client.set("offline", "queued"), client.get("offline")]), ["OK", "queued"]);
});

useCase("A2.reset RESET brings a connection back to its first state", async (t) => {
  const client = await open(t, { RESP: 2 });
  await client.select(9);
  await client.sendCommand(["CLIENT", "SETNAME", "before"]);
  equal(await client.sendCommand(["RESET"]), "RESET");
  const me = await client.clientInfo();
  equal([me.name, me.db, me.resp], ["", 0, 2], "name, db, resp");
});

useCase("A2.close close() waits for what is under way", async (t) => {
  const client = await open(t);
  const other = await open(t);
  const last = client.set("last words", "heard");
  await client.close();
  equal([await last, await other.get("last words")], ["OK", "heard"]);
});

useCase("A2.hello HELLO answers with what every client reads from it", async (t) => {
  const client = await open(t);
  const hello = await client.hello(RESP);
  equal([hello.proto, hello.mode, hello.role, hello.id], [RESP, "standalone", "master", await client.clientId()]);
  ok(typeof hello.server === "string" && /^\d+\.\d+\.\d+/.test(hello.version) && Array.isArray(hello.modules), "server, version, modules");
  await fails(client.sendCommand(["HELLO", "4"]), /^NOPROTO /);
  equal(await client.ping(), "PONG");
});
