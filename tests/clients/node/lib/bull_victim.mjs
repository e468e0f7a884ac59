// A worker in a process of its own, which takes one job and never ends it: the driver kills it in the middle of it.
import Bull from "bull";
import { server } from "./use_case.mjs";

const [, , queueName] = process.argv;
new Bull(queueName, { redis: server, settings: { lockDuration: 300, stalledInterval: 0 } }).process(() => {
  process.send("working");
  return new Promise(() => {});
});
