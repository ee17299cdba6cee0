-- Put behind the prelude where a script moves a run from one state to another.

-- The names of the keys of the run's conversation, as its client wrote them into the record: record, queue, turns, index, id; or nil.
local function conversation() return run.conversationKeys and cjson.decode(run.conversationKeys) end

-- Their names are not declared, because who sends the script need not know them. A Cluster that moves the slot refuses one that is not here (any
-- more): then a script fails here, before it has written anything.
local function find_conversation(names)
  if names then redis.call("EXISTS", names.record, names.queue, names.turns, names.index) end
end

-- settling() for a script that may end the run, and so pass its turn on.
local function settling_for_good()
  find_conversation(conversation())
  settling()
end

local function indexed(tenant, status) return tenant .. "/" .. status .. "/" .. arg.runId end

local function move(status)
  redis.call("ZREM", key.index, indexed("*", run.status), indexed(run.tenant, run.status))
  if run.status == "suspended" and run.suspension == "approval" then
    redis.call("ZREM", key.index, indexed("*", "approval"), indexed(run.tenant, "approval"))
  end
  run.status = status
  redis.call("ZADD", key.index, 0, indexed("*", status), 0, indexed(run.tenant, status))
  set("status", status)
end

local function wake_job()
  return { runId = arg.runId, wake = tonumber(run.wake), agent = run.agent, queue = run.queue, priority = run.priority,
    continuation = tonumber(run.attempts) > 0 }
end

-- What holds the run back, as scope and JSON: its own pause, its agent's or its tenant's. Nothing, mostly.
local function pause_of()
  if run.pause then return "run", run.pause end
  local scopes = { "agent\n" .. run.agent, "tenant\n" .. run.tenant }
  for i, json in ipairs(redis.call("HMGET", key.pauses, unpack(scopes))) do
    if json then return scopes[i], json end
  end
end

local function leave_parking()
  if not run.parked then return end
  if run.parked ~= "run" then redis.call("ZREM", key.parked, run.parked .. "\n" .. arg.runId) end
  unset("parked", "parkedBy")
end

-- Paused: no job, no lease, no dispatch member. The scopes of agents and tenants list what they hold, so that a resume finds it.
local function park(scope, json)
  redis.call("ZREM", key.dispatch, arg.runId)
  if scope ~= "run" then redis.call("ZADD", key.parked, 0, scope .. "\n" .. arg.runId) end
  unset("token", "worker", "suspension")
  set("parked", scope, "parkedBy", json)
  move("paused")
  event("run.paused", ',"pause":' .. json)
end

-- Queued with a new wake; `at` is when to look again. Older wakes are stale from here on. Nothing where the run is paused: then it is parked.
local function queue_again(at)
  leave_parking()
  unset("token", "worker", "suspension", "notBeforeMs", "announceAtMs")
  run.wake = tonumber(run.wake) + 1
  set("wake", run.wake, "lookDelayMs", LOOK_MS)
  local scope, json = pause_of()
  if scope then return park(scope, json) end
  redis.call("ZADD", key.dispatch, at or now + LOOK_MS, arg.runId)
  move("queued")
  return wake_job()
end

local function wake_json(wake) return wake and cjson.encode(wake) or "" end

-- Takes conversations that are kept no longer off their tenant's list: never one that is kept, which would escape the deletion of its tenant. Who
-- was used before another lapses no later than it. A Cluster that moves the slot may refuse to look for one that is gone: another use does it.
local function forget_lapsed(index, record, id)
  local records = string.sub(record, 1, -#id - 1)
  for _, oldest in ipairs(redis.call("ZRANGE", index, 0, 9)) do
    if redis.pcall("EXISTS", records .. oldest) ~= 0 then return end
    redis.call("ZREM", index, oldest)
  end
end

-- A use: its keys live on. Who was told a shorter time, such as a command line, shortens nothing.
local function use_conversation(names)
  local keep_ms = math.max(names.keepMs, redis.call("PTTL", names.index))
  redis.call("HSETNX", names.record, "createdAtMs", now)
  redis.call("ZADD", names.index, now, names.id)
  forget_lapsed(names.index, names.record, names.id)
  for _, name in ipairs({ "record", "queue", "turns", "index" }) do redis.call("PEXPIRE", names[name], keep_ms) end
end
