-- Put in front of every script that works on one run: its names, its clock and the moves that several scripts share.
-- KEYS 1 run, 2 items, 3 intents, 4 approvals, 5 decisions, 6 events, 7 dispatch, 8 timers, 9 retention, 10 index, 11 agents, 12 pauses, 13 parked, 14 per script
-- ARGV 1 a JSON object of the short arguments, all of them text; then pairs of name and value of the long ones. The empty text is not sent.
--      Always: runId, channel (of the run), stops (channel), maxEvents. Of what a person said: said, the client's id for it.
-- Nothing is written before a script calls settling() or its first move. The loader puts the script into a function and calls flush() after it.
local key = {
  run = KEYS[1], items = KEYS[2], intents = KEYS[3], approvals = KEYS[4], decisions = KEYS[5], events = KEYS[6],
  dispatch = KEYS[7], timers = KEYS[8], retention = KEYS[9], index = KEYS[10], agents = KEYS[11], pauses = KEYS[12],
  parked = KEYS[13], extra = KEYS[14],
}
local arg = cjson.decode(ARGV[1])
for i = 2, #ARGV, 2 do arg[ARGV[i]] = ARGV[i + 1] end
setmetatable(arg, { __index = function() return "" end })

local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local LOOK_MS, GRACE_MS, NET_MS = 5000, 1000, 86400000

-- Control fields only: context, output and settings stay out of Lua.
local FIELDS = { "status", "token", "hop", "wake", "agent", "queue", "priority", "tenant", "attempts", "deaths", "deadlineAtMs",
  "cancelRequested", "maxHops", "itemsBytes", "suspension", "notBeforeMs", "turns", "lookDelayMs", "announceAtMs", "endedToken", "lastEnd", "beganToken", "lastBegin", "conversationKeys",
  "pause", "parked", "itemsFrom", "turnsBefore" }
local run = {}
-- An absent field is false.
local function read(fields)
  for i, value in ipairs(redis.call("HMGET", key.run, unpack(fields))) do run[fields[i]] = value end
end
-- Who asks for a field that was not read gets them all: to read few is worth its line only in a script of every hop.
setmetatable(run, { __index = function(_, name)
  setmetatable(run, nil)
  read(FIELDS)
  return run[name]
end })
local FINAL = { completed = true, failed = true, blocked = true, refused = true, cancelled = true, expired = true }

local function quote(text) return cjson.encode(text) end

-- Why the run should stop, or nil. A person's wish goes before the deadline.
local function stop_reason()
  if run.cancelRequested and run.cancelRequested ~= "" then return run.cancelRequested end
  if tonumber(run.deadlineAtMs) <= now then return "expired" end
end

-- The first write of a script that settles. Redis refuses a script at maxmemory only until it has written once, and ZREM passes.
local settles = false
local function settling()
  settles = true
  redis.call("ZREM", key.retention, "-")
end

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

-- Changes to the record are collected and written once, by flush(), when the script returns: each call out of Lua costs more than its work.
local changes = {}
local function set(...)
  local list = { ... }
  for i = 1, #list, 2 do changes[list[i]] = list[i + 1] end
end
local function unset(...)
  for _, name in ipairs({ ... }) do changes[name] = false end
end
local function flush()
  local sets, drops = { "updatedAtMs", now }, {}
  for name, value in pairs(changes) do
    if value == false then
      drops[#drops + 1] = name
    else
      sets[#sets + 1] = name
      sets[#sets + 1] = value
    end
  end
  if #drops > 0 then redis.call("HDEL", key.run, unpack(drops)) end
  if #drops > 0 or #sets > 2 then redis.call("HSET", key.run, unpack(sets)) end
  changes = {}
end

local function append_event(json)
  redis.call("XADD", key.events, "MAXLEN", "~", arg.maxEvents, "*", "e", json)
  redis.call("PUBLISH", arg.channel, "event")
end

-- `extra` is JSON text that starts with a comma, or nil.
local function event(name, extra)
  append_event('{"type":"' .. name .. '","atMs":' .. string.format("%.0f", now) .. ',"hop":' .. run.hop
    .. ',"agent":' .. quote(run.agent) .. (extra or "") .. "}")
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

-- Back from `paused`, at the time it had to wait for if that is still to come. It joins the end of its queue: thousands may come at once.
local function unpause()
  local later = tonumber(run.notBeforeMs or 0) > now and tonumber(run.notBeforeMs) or nil
  event("run.resumed", ',"because":"unpaused"')
  local wake = queue_again(later)
  if later then
    set("notBeforeMs", later)
    return nil
  end
  if wake then wake.continuation = false end
  return wake
end

local function wake_json(wake) return wake and cjson.encode(wake) or "" end

-- A use: its keys live on, and members of the tenant's index that have not been used for as long go.
local function use_conversation(names)
  redis.call("HSETNX", names.record, "createdAtMs", now)
  redis.call("ZADD", names.index, now, names.id)
  redis.call("ZREMRANGEBYSCORE", names.index, "-inf", now - names.keepMs)
  for _, name in ipairs({ "record", "queue", "turns", "index" }) do redis.call("PEXPIRE", names[name], names.keepMs) end
end

-- Passes the turn on. The follower is runnable from here on: its dispatch entry brings it back if nobody looks at it now.
local follower
local function leave_conversation()
  local names = conversation()
  if not names then return end
  local had_turn = redis.call("LINDEX", names.queue, 0) == arg.runId
  redis.call("LREM", names.queue, 1, arg.runId)
  follower = had_turn and redis.call("LINDEX", names.queue, 0) or nil
  if follower then redis.call("ZADD", key.dispatch, now, follower) end
  use_conversation(names)
end

-- How long a run stays readable that ends as `status`: ARGV retentionMs is one time for all, or JSON by status.
local function retention_ms(status)
  if string.sub(arg.retentionMs, 1, 1) == "{" then return cjson.decode(arg.retentionMs)[status] end
  return tonumber(arg.retentionMs)
end

-- Failed runs of one reason stand together in the index, as if it were a status. A slash would end the name.
local function failure_group(error_json)
  local agent = string.gsub(run.agent, "[%%/]", { ["%"] = "%25", ["/"] = "%2F" })
  return "failed:" .. cjson.decode(error_json).code .. ":" .. agent
end

-- The final state, once. Every key gets a time to live as a net under the sweeper.
local function finish(status, extra, error_json)
  redis.call("ZREM", key.dispatch, arg.runId)
  redis.call("ZREM", key.timers, arg.runId)
  leave_parking()
  unset("token", "worker", "suspension", "notBeforeMs", "announceAtMs", "pause")
  if not error_json then unset("error") end
  redis.call("DEL", key.approvals)
  move(status)
  set("finishedAtMs", now)
  if error_json then set("error", error_json) end
  event("run." .. status, extra)
  local keep_ms = retention_ms(status)
  local kept_as = arg.runId .. "/" .. run.tenant .. "/" .. status .. "/" .. run.hop
  if status == "failed" and error_json then
    local group = failure_group(error_json)
    redis.call("ZADD", key.index, 0, indexed("*", group), 0, indexed(run.tenant, group))
    set("failure", group)
    kept_as = kept_as .. "/" .. group
  end
  redis.call("ZADD", key.retention, now + keep_ms, kept_as)
  for _, name in ipairs({ "run", "items", "intents", "decisions", "events" }) do
    redis.call("PEXPIRE", key[name], keep_ms + NET_MS)
  end
  leave_conversation()
end

local function fail(code, message)
  local error_json = '{"code":' .. quote(code) .. ',"message":' .. quote(message) .. "}"
  finish("failed", ',"error":' .. error_json, error_json)
end

-- Counts a death of the attempt that holds the run. True when the run was given up.
local function lose_attempt()
  run.deaths = redis.call("HINCRBY", key.run, "deaths", 1)
  event("attempt.lost", ',"deaths":' .. run.deaths)
  if run.deaths <= tonumber(arg.maxDeaths) then return false end
  fail("RUN_CRASHED", "The run's worker died " .. run.deaths .. " times in a row while holding it.")
  return true
end

-- A run that waits for people stands in dispatch only while one of its questions has a deadline, or is still to be announced (I6).
local function watch_approvals()
  local at = tonumber(run.announceAtMs)
  for _, json in ipairs(redis.call("HVALS", key.approvals)) do
    local deadline = cjson.decode(json).deadlineAtMs
    if deadline and (not at or deadline < at) then at = deadline end
  end
  if at then
    redis.call("ZADD", key.dispatch, at, arg.runId)
  else
    redis.call("ZREM", key.dispatch, arg.runId)
  end
end

-- Closes an open question. `members` is JSON text that starts with a comma: what was decided. When it was asked is kept for a decision that
-- does not count: its question is then the same one, not a new one with a new deadline.
local function record_decision(call_id, members)
  local call = cjson.decode(redis.call("HGET", key.approvals, call_id))
  local about = '"callId":' .. quote(call_id) .. ',"tool":' .. quote(call.tool)
  redis.call("HDEL", key.approvals, call_id)
  redis.call("HSET", key.decisions, call_id,
    "{" .. about .. ',"agent":' .. quote(call.agent) .. ',"atMs":' .. string.format("%.0f", now)
      .. (call.requestedAtMs and ',"requestedAtMs":' .. string.format("%.0f", call.requestedAtMs) or "") .. members .. "}")
  event("approval.decided", "," .. about .. members)
end

-- What a person said is answered once: sent again after a lost reply, it gets the first answer, and not that somebody was faster (I12).
local function answer(main)
  local known = arg.said ~= "" and redis.call("HGET", key.run, "said")
  if known and string.sub(known, 1, #arg.said) == arg.said then return cjson.decode(string.sub(known, #arg.said + 1)) end
  local reply = main()
  if arg.said ~= "" and settles then set("said", arg.said .. cjson.encode(reply)) end
  return reply
end
