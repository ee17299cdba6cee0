-- Takes the run for one attempt, or says why there is nothing to do.
-- ARGV wake, token, worker, leaseMs, maxDeaths, retentionMs, buildAgent, version, fingerprint ("" where the worker does not say)
-- Returns {"begun", control fields (JSON), context, settings, metadata, intents (values), decisions (flat), conversationJson or "",
--          the transcript's chunks, or nothing where they are long: the caller then reads them, for a large reply from Lua blocks the shard}
--         | {"stale", "gone" | "final" | "wake" | "suspended" | "paused" | "held" | "not-before"} | {"ended", final status}
-- A run that is paused, by itself or with its agent or tenant, is parked here and holds nothing.
-- Keeps I1 (a stale wake ends without effect), I8 (deaths are counted), I12 (the same token gets the same answer).
local SMALL_BYTES = 16384

-- One JSON text, because a client needs five times as long to read the whole record as a list. What may be large stays out of it.
local TOLD = { "runId", "wake", "attempts", "hop", "maxHops", "agent", "entryAgent", "tenant", "queue", "priority", "retries", "resamples",
  "misplaced", "recentAgents", "turnsBefore", "deadlineAtMs", "journaled", "conversation", "itemsFrom", "origin", "root", "tools", "model", "hopBuild", "tags" }

local function begun()
  local told = {}
  for i = 1, #TOLD do told[TOLD[i]] = run[TOLD[i]] end
  -- Of a run that nobody had before, and that was made from no other, there is neither.
  local is_new = tonumber(run.attempts) == 1 and not run.origin
  return { "begun", cjson.encode(told), run.context, run.settings, run.metadata, is_new and {} or redis.call("HVALS", key.intents),
    is_new and {} or redis.call("HGETALL", key.decisions), run.conversationJson or "",
    tonumber(run.itemsBytes or SMALL_BYTES) < SMALL_BYTES and redis.call("LRANGE", key.items, run.itemsFrom or 0, -1) or nil }
end

run = {}
local record = redis.call("HGETALL", key.run)
for i = 1, #record, 2 do run[record[i]] = record[i + 1] end
if not run.status then return { "stale", "gone" } end
if run.beganToken == arg.token and run.lastBegin then return { "ended", run.lastBegin } end
if FINAL[run.status] then return { "stale", "final" } end
if run.status == "running" and run.token == arg.token then return begun() end
if run.wake ~= arg.wake or run.endedToken == arg.token then return { "stale", "wake" } end
if run.status == "suspended" or run.status == "paused" then return { "stale", run.status } end
-- The queue may give a job out again while its attempt lives: the lease alone says who holds the run.
if run.status == "running" and tonumber(redis.call("ZSCORE", key.dispatch, arg.runId) or 0) > now then return { "stale", "held" } end
local stop = stop_reason()
if not stop and run.status == "queued" and run.notBeforeMs and tonumber(run.notBeforeMs) > now then return { "stale", "not-before" } end

-- Where no attempt died, the first write takes something out of a sorted set, which passes at maxmemory as settling() does.
find_conversation(conversation())
local crashed = false
if run.status == "running" then
  -- The same wake under another token, and the lease is over: the attempt died.
  settling()
  crashed = lose_attempt()
end
if stop and not crashed then finish(stop) end
if FINAL[run.status] then
  set("beganToken", arg.token, "lastBegin", run.status)
  return { "ended", run.status }
end
local scope, pause = pause_of()
if scope then
  park(scope, pause)
  return { "stale", "paused" }
end
run.attempts = tonumber(run.attempts) + 1
move("running")
if run.notBeforeMs then unset("notBeforeMs") end
if not run.startedAtMs then set("startedAtMs", now_text) end
set("attempts", run.attempts, "token", arg.token, "worker", arg.worker)
redis.call("ZADD", key.dispatch, now + tonumber(arg.leaseMs) + GRACE_MS, arg.runId)
local build = ""
if arg.buildAgent == run.agent then
  set("build", arg.version .. "\n" .. arg.fingerprint)
  if not run.hopBuild then
    run.hopBuild = arg.version .. "\n" .. arg.fingerprint
    set("hopBuild", run.hopBuild)
  end
  build = ',"version":' .. quote(arg.version) .. ',"fingerprint":' .. quote(arg.fingerprint)
end
event("attempt.started", ',"attempt":' .. run.attempts .. ',"wake":' .. run.wake .. ',"worker":' .. quote(arg.worker) .. build)
return begun()
