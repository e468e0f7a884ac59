// Socket.IO on two servers behind one Redis: what one of them emits reaches the browsers at the other one. Both adapters of
// @socket.io/redis-adapter, the classic one and the one of shard channels, and the one of @socket.io/redis-streams-adapter, each with
// both client libraries an app may give it.
import { equal, eventually, everyByte, ok, useCase } from "../lib/use_case.mjs";
import { adapters, libraries, twoServers } from "../lib/socketio.mjs";

const MESSAGES = 1000;

for (const [kind, adapter] of Object.entries(adapters)) {
  for (const library of Object.keys(libraries)) {
    useCase(`B21.${kind} a thousand messages each way with ${library}, none lost, in order`, async (t) => {
      const { servers, browsers } = await twoServers(t, adapter, library);
      const heard = browsers.map((socket) => {
        const mine = { one: [], two: [] };
        socket.on("said", (from, text) => mine[from].push(text));
        return mine;
      });
      for (let number = 0; number < MESSAGES; number += 1) {
        // Half of them come from the servers themselves, and half from the browsers.
        if (number % 2) for (const { io, name } of servers) io.to("both").emit("said", name, number);
        else for (const socket of browsers) socket.emit("say", number);
        if (number % 100 === 99) await new Promise(setImmediate);
      }
      await eventually("everything has come", () => heard.every(({ one, two }) => one.length === MESSAGES && two.length === MESSAGES), 8000);
      const parity = (numbers, rest) => numbers.filter((number) => number % 2 === rest);
      const all = Array.from({ length: MESSAGES }, (_, number) => number);
      for (const mine of heard) {
        for (const numbers of [mine.one, mine.two]) {
          equal([...numbers].sort((a, b) => a - b), all, "each once");
          for (const rest of [0, 1]) equal(parity(numbers, rest), parity(all, rest), "in order");
        }
      }
    });

    useCase(`B21.${kind}.rooms rooms, bytes, answers and requests between servers with ${library}`, async (t) => {
      const { redis, servers, browsers } = await twoServers(t, adapter, library);
      const [{ io: one }, { io: two }] = servers;
      const [left, right] = browsers;
      const got = [];
      for (const socket of browsers) {
        socket.on("bytes", (bytes) => got.push(Buffer.from(bytes)));
        socket.on("ask", (question, answer) => answer(`${question}, ${socket === left ? "left" : "right"}`));
      }
      one.emit("bytes", everyByte);
      await eventually("both have the bytes", () => got.length === 2);
      ok(got.every((bytes) => bytes.equals(everyByte)), "the same bytes");
      // A question to everybody, whose answers come back through the other server.
      equal((await two.timeout(3000).emitWithAck("ask", "who")).sort(), ["who, left", "who, right"]);
      // One server looks at, moves and cuts the sockets of the other one.
      equal((await one.fetchSockets()).map(({ id }) => id).sort(), [left.id, right.id].sort());
      two.in(left.id).socketsJoin("left only");
      await eventually("it has joined", async () => (await two.in("left only").fetchSockets()).length === 1);
      await eventually("the room is heard", () => adapter.joined(redis, "left only", 1));
      const alone = new Promise((resolve) => left.once("alone", resolve));
      right.once("alone", () => got.push("wrong"));
      two.to("left only").emit("alone", "hello");
      equal([await alone, got.length], ["hello", 2]);
      one.on("rebuild", (what, answer) => answer(`${what} done`));
      equal(await two.serverSideEmitWithAck("rebuild", "cache"), ["cache done"]);
      const cut = new Promise((resolve) => left.once("disconnect", resolve));
      two.in("left only").disconnectSockets();
      equal(await cut, "io server disconnect");
    });

    useCase(`B21.${kind}.lost after the servers lost their connections to Redis with ${library} they hear each other again`, async (t) => {
      const { redis, servers, browsers } = await twoServers(t, adapter, library);
      // Who listens by reading a stream needs one connection, and who waits for answers on channels another one.
      let ids;
      await eventually("all of them listen", async () => (ids = (await adapter.listeners(redis)).map(({ id }) => id)).length === adapter.connections);
      for (const id of ids) equal(await redis.client("KILL", "ID", id), 1);
      await eventually("new connections listen", async () => {
        const back = (await adapter.listeners(redis)).filter(({ id }) => !ids.includes(id));
        return back.length === adapter.connections && (await adapter.ready(redis)) && (await adapter.joined(redis, "both", 2));
      });
      const heard = Promise.all(browsers.map((socket) => new Promise((resolve) => socket.once("said", (from, text) => resolve([from, text])))));
      servers[1].io.to("both").emit("said", "two", "again");
      equal(await heard, [["two", "again"], ["two", "again"]]);
    });
  }
}
