// Counts its own starts: what a new user would try first.
import Redis from "ioredis";

const redis = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
const starts = await redis.incr("starts");
console.log(`started ${starts} times; the server is ${(await redis.info("server")).match(/russet_version:(\S+)/)?.[1] ?? "another one"}`);
await redis.quit();
