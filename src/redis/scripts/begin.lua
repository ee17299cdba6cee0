-- Takes the run for one attempt, or says why there is nothing to do.
-- ARGV wake, token, worker, leaseMs, maxDeaths, retentionMs
-- Returns {"begun", record (flat), intents (values), decisions (flat), "1" when the hop has journal entries,
--          the transcript's chunks, or nothing where they are long: the caller then reads them, for a large reply from Lua blocks the shard}
--         | {"stale", "gone" | "final" | "wake" | "suspended" | "held" | "not-before"} | {"ended", final status}
-- Keeps I1 (a stale wake ends without effect), I8 (deaths are counted), I12 (the same token gets the same answer).
local SMALL_BYTES = 16384

local function begun()
  flush()
  return { "begun", redis.call("HGETALL", key.run), redis.call("HVALS", key.intents), redis.call("HGETALL", key.decisions),
    redis.call("HGET", key.run, "journaled") == run.hop and "1" or "0",
    tonumber(run.itemsBytes or SMALL_BYTES) < SMALL_BYTES and redis.call("LRANGE", key.items, 0, -1) or nil }
end

if not run.status then return { "stale", "gone" } end
if run.beganToken == arg.token and run.lastBegin then return { "ended", run.lastBegin } end
if FINAL[run.status] then return { "stale", "final" } end
if run.status == "running" and run.token == arg.token then return begun() end
if run.wake ~= arg.wake or run.endedToken == arg.token then return { "stale", "wake" } end
if run.status == "suspended" then return { "stale", "suspended" } end
-- The queue may give a job out again while its attempt lives: the lease alone says who holds the run.
if run.status == "running" and tonumber(redis.call("ZSCORE", key.dispatch, arg.runId) or 0) > now then return { "stale", "held" } end
local stop = stop_reason()
if not stop and run.status == "queued" and run.notBeforeMs and tonumber(run.notBeforeMs) > now then return { "stale", "not-before" } end

settling()
-- The same wake under another token, and the lease is over: the attempt died.
local crashed = run.status == "running" and lose_attempt()
if stop and not crashed then finish(stop) end
if FINAL[run.status] then
  set("beganToken", arg.token, "lastBegin", run.status)
  return { "ended", run.status }
end
run.attempts = redis.call("HINCRBY", key.run, "attempts", 1)
move("running")
unset("notBeforeMs", "lastBegin")
redis.call("HSETNX", key.run, "startedAtMs", now)
set("token", arg.token, "beganToken", arg.token, "worker", arg.worker)
redis.call("ZADD", key.dispatch, now + tonumber(arg.leaseMs) + GRACE_MS, arg.runId)
event("attempt.started", ',"attempt":' .. run.attempts .. ',"wake":' .. run.wake .. ',"worker":' .. quote(arg.worker))
return begun()
