// Places: drivers nearby, shops in a box, distances.
import { equal, fails, oneTo, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

const near = (actual, wanted, by = 1e-9) => ok(Math.abs(Number(actual) - wanted) < by, `${actual} is not ${wanted}`);

useCase("B31 drivers within five kilometres, with distance and place", async (t) => {
  const redis = open(t);
  equal(await redis.geoadd("drivers", -122.4194, 37.7749, "driver:1", -122.4094, 37.7849, "driver:2", -122.5, 38.5, "driver:3"), 3);
  const found = await redis.georadius("drivers", -122.415, 37.78, 5, "km", "WITHDIST", "WITHCOORD");
  equal(found.map(([name, distance]) => [name, distance]).sort(), [["driver:1", "0.6867"], ["driver:2", "0.7342"]]);
  const [, , [longitude, latitude]] = found.find(([name]) => name === "driver:1");
  near(longitude, -122.41940170526505);
  near(latitude, 37.77490001056578);
  equal([await redis.geodist("drivers", "driver:1", "driver:2", "km"), await redis.geodist("drivers", "driver:1", "none"), await redis.geodist("none", "a", "b")], ["1.4176", null, null]);
  equal([await redis.geohash("drivers", "driver:1", "none"), (await redis.geopos("drivers", "driver:1", "none"))[1]], [["9q8yyk8ytp0", null], null]);
});

useCase("B32 the nearest first, in a circle and in a box, and kept for later", async (t) => {
  const redis = open(t);
  await redis.geoadd("sicily", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania", 12.758489, 38.788135, "edge1", 17.24151, 38.788135, "edge2");
  equal(await redis.geosearch("sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC"), ["Catania", "Palermo"]);
  equal(await redis.geosearch("sicily", "FROMLONLAT", 15, 37, "BYBOX", 400, 400, "km", "DESC", "WITHDIST"), [["edge1", "279.7405"], ["edge2", "279.7403"], ["Palermo", "190.4424"], ["Catania", "56.4413"]]);
  equal([await redis.geosearch("sicily", "FROMMEMBER", "Palermo", "BYRADIUS", 200, "km", "ASC", "COUNT", 2), await redis.geosearch("none", "FROMLONLAT", 15, 37, "BYRADIUS", 1, "m")], [["Palermo", "edge1"], []]);
  equal([await redis.geosearchstore("near", "sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "STOREDIST"), (await redis.zrange("near", 0, -1)).join()], [2, "Catania,Palermo"]);
  near(await redis.zscore("near", "Catania"), 56.4412578701582, 1e-3);
  equal([await redis.type("sicily"), await redis.zrem("sicily", "edge1", "edge2"), await redis.zcard("sicily"), await redis.geohash("sicily", "Palermo", "Catania")], ["zset", 2, 2, ["sqc8b49rny0", "sqdtr74hyu0"]]);
  equal([await redis.geoadd("sicily", "NX", 1, 1, "Palermo"), await redis.geoadd("sicily", "CH", 13.4, 38.1, "Palermo"), await redis.geoadd("sicily", "XX", 1, 1, "Rome")], [0, 1, 0]);
  await fails(redis.geoadd("sicily", 181, 38, "far"), /^ERR invalid longitude,latitude pair 181\.000000,38\.000000$/);
  await fails(redis.geosearch("sicily", "FROMMEMBER", "nobody", "BYRADIUS", 1, "km"), /^ERR (could not decode requested zset member|member nobody does not exist)$/);
  await fails(redis.geosearch("sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 1, "league"), /^ERR unsupported unit provided\. please use M, KM, FT, MI$/);
});

useCase("B32.many three thousand places: what is found is what the sphere says", async (t) => {
  const redis = open(t);
  // A fixed rule which spreads them over a country.
  const places = oneTo(3000).map((number) => ({ name: `place:${number}`, longitude: 9 + ((number * 7919) % 8000) / 1000, latitude: 46 + ((number * 104_729) % 3000) / 1000 }));
  for (let from = 0; from < 3000; from += 500) await redis.geoadd("country", ...places.slice(from, from + 500).flatMap(({ name, longitude, latitude }) => [longitude, latitude, name]));
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const distance = (a, b) => {
    const [u, v] = [Math.sin(radians(b.latitude - a.latitude) / 2), Math.sin(radians(b.longitude - a.longitude) / 2)];
    return 2 * 6_372_797.560856 * Math.asin(Math.sqrt(u * u + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * v * v));
  };
  for (const [longitude, latitude, radius] of [[13, 47.5, 50_000], [9.1, 46.1, 20_000], [16.9, 48.9, 120_000], [12, 47, 400]]) {
    const centre = { longitude, latitude };
    const found = await redis.geosearch("country", "FROMLONLAT", longitude, latitude, "BYRADIUS", radius, "m", "ASC", "WITHDIST");
    // A place is kept to about half a metre; those which lie that close to the edge may be in or out.
    const names = new Set(found.map(([name]) => name));
    for (const place of places) {
      const far = distance(centre, place);
      if (Math.abs(far - radius) > 1) equal(names.has(place.name), far < radius, `${place.name} at ${far} m of ${radius}`);
    }
    const distances = found.map(([, far]) => Number(far));
    equal(distances, distances.toSorted((a, b) => a - b), "the nearest first");
  }
  equal((await redis.geosearch("country", "FROMLONLAT", 13, 47.5, "BYRADIUS", 300, "km", "COUNT", 7, "ANY")).length, 7);
});
