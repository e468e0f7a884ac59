// What only the adapter of streams can do: nothing is lost while a server is cut off from Redis, and a browser that comes back gets what
// it missed, also at another server.
import { equal, eventually, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { adapters, libraries, twoServers } from "../lib/socketio.mjs";

for (const library of Object.keys(libraries)) {
  useCase(`B21.streams.kept what is emitted while the readers are cut off arrives afterwards, in order, with ${library}`, async (t) => {
    const { redis, servers, browsers } = await twoServers(t, adapters.streams, library);
    const heard = browsers.map((socket) => {
      const mine = [];
      socket.on("said", (number) => mine.push(number));
      return mine;
    });
    const [{ io: one }] = servers;
    for (const number of oneTo(300)) {
      one.to("both").emit("said", number);
      // Every now and then all of those who read lose their connection.
      if (number % 60 === 30) for (const { id } of await adapters.streams.listeners(redis)) await redis.client("KILL", "ID", id);
      if (number % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await eventually("everything has come", () => heard.every((mine) => mine.length >= 300), 8000);
    equal(heard, [oneTo(300), oneTo(300)]);
  });

  useCase(`B21.streams.recovery a browser that comes back to another server gets what it missed, with ${library}`, async (t) => {
    // A server that shuts down keeps the sessions of its browsers as well: those of other use cases.
    const sessions = async () => (await redis.keys("sio:session:*")).length;
    const { redis, servers, browsers } = await twoServers(t, adapters.streams, library, { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } });
    const before = await sessions();
    const [left, right] = browsers;
    const [{ io: one }, { io: two, port }] = servers;
    const [got, heard] = [[], []];
    left.on("said", (number) => got.push(number));
    right.on("said", (number) => heard.push(number));
    one.to("both").emit("said", 1);
    await eventually("the first one has come", () => got.length === 1);
    const { id } = left;
    // The line breaks; the browser does not say goodbye, and finds another server when it comes back.
    const cut = new Promise((resolve) => left.once("disconnect", resolve));
    left.io.uri = `http://127.0.0.1:${port}`;
    left.io.reconnection(false);
    left.io.engine.close();
    await cut;
    // Its session is kept where every server finds it.
    await eventually("the session is kept", async () => (await sessions()) === before + 1);
    for (const number of [2, 3, 4]) (number % 2 ? one : two).to("both").emit("said", number);
    two.to("another room").emit("said", 99);
    one.emit("said", 5);
    await eventually("the other one has it all", () => heard.length === 5);
    const back = new Promise((resolve) => left.once("connect", resolve));
    left.connect();
    await back;
    equal([left.recovered, left.id], [true, id]);
    // What one server says itself may overtake what it reads from the other one; then the browser asks for something it has already.
    const distinct = () => [...new Set(got)];
    await eventually("what was missed has come", () => distinct().length === 5);
    one.to("both").emit("said", 6);
    await eventually("and what is new", () => distinct().length === 6);
    equal([distinct(), await sessions()], [[1, ...distinct().slice(1, 5), 6], before]);
    equal(distinct().sort(), oneTo(6));
  });
}

useCase("B21.streams.trim the stream does not grow for ever", async (t) => {
  const { redis, servers } = await twoServers(t, { ...adapters.streams, create: (pub, sub) => adapters.streams.create(pub, sub, { maxLen: 100 }) }, "ioredis");
  for (const number of oneTo(1000)) servers[0].io.emit("said", number);
  await eventually("all are written", async () => (await added(redis)) >= 1000);
  const length = await redis.xlen("socket.io");
  ok(length >= 100 && length <= 300, `the stream has ${length} entries`);
});

/** How many entries the stream has ever had. */
async function added(redis) {
  const info = await redis.xinfo("STREAM", "socket.io");
  return info[info.indexOf("entries-added") + 1];
}
