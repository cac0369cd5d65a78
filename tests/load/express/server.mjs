// What scripts/dev/bench measures two lists against, one kept and one stored: Express with a bearer token checked by jose, a
// limit counted in Redis, a reply kept there or rows asked of PostgreSQL through PgBouncer, as such a stack has them; a process
// a core. Its replies are not compressed.
//
//   node server.mjs SOCKET REDIS_SOCKET PGBOUNCER_FOLDER LIST_FILE        JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE in the environment
import cluster from "node:cluster";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import express from "express";
import { Redis } from "ioredis";
import { jwtVerify } from "jose";
import pg from "pg";

const [socket, redisSocket, pgbouncer, listFile] = process.argv.slice(2);
const { JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE } = process.env;
const KEPT_S = 3600;
const LIMIT = { points: 1_000_000, seconds: 60 };

function serve() {
  const redis = new Redis(redisSocket);
  const pool = new pg.Pool({ host: pgbouncer, port: 6432, user: "plugfleet", database: "plugfleet" });
  const key = new TextEncoder().encode(JWT_SECRET);
  const rules = { algorithms: ["HS256"], issuer: JWT_ISSUER, audience: JWT_AUDIENCE };
  redis.defineCommand("take", {
    numberOfKeys: 1,
    lua: `local n = redis.call('incr', KEYS[1])
          if n == 1 then redis.call('expire', KEYS[1], ARGV[1]) end
          return n`,
  });

  const signedIn = async (request, response, next) => {
    try {
      const token = request.get("authorization")?.replace(/^Bearer /i, "") ?? "";
      request.user = (await jwtVerify(token, key, rules)).payload.sub;
      next();
    } catch {
      response.status(401).json({ error: "unauthorized" });
    }
  };
  const limited = async (request, response, next) => {
    const taken = await redis.take(`express:limit:${request.user}`, LIMIT.seconds);
    response.set({ "RateLimit-Limit": LIMIT.points, "RateLimit-Remaining": Math.max(0, LIMIT.points - taken) });
    if (taken > LIMIT.points) response.status(429).json({ error: "rate_limited" });
    else next();
  };
  const list = async (_request, response) => {
    let kept = await redis.get("express:list");
    if (kept === null) {
      kept = await readFile(listFile, "utf8");
      await redis.set("express:list", kept, "EX", KEPT_S);
    }
    response.type("json").send(kept);
  };

  const stored = async (_request, response) => {
    const items = await pool.query("select id, name, author, price, tags from probe_items order by price");
    response.json({ items: items.rows });
  };

  const app = express();
  app.set("etag", false);
  app.disable("x-powered-by");
  app.get("/probe/list", signedIn, limited, list);
  app.get("/probe/stored", signedIn, limited, stored);
  app.listen(socket);
}

if (cluster.isPrimary) {
  const workers = Array.from({ length: availableParallelism() }, () => cluster.fork());
  process.on("SIGTERM", () => {
    for (const worker of workers) worker.kill();
    process.exit(0);
  });
} else {
  serve();
}
