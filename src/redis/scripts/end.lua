-- Settles what an attempt decided: state, events and dispatch entry in one step.
-- KEYS 14 with what the run's hops began, 15 the journal of its hop (only with rejectKey)
-- ARGV token, outcome, retentionMs, clockMs (the caller's time, so that its times are understood when its clock is wrong); by outcome (JSON, "" for none): items, replace ("1"), context, output, to, queue, arguments,
--      suspension, untilMs, approvals (flat JSON list: callId, approval text, withinMs or 0, ...), refusals (flat JSON list: callId, why as
--      JSON text, ...), announce ("1"), event (JSON members of the event), error, notBeforeMs, rejectKey, rejectionKey, rejection (JSON), misplaced ("1"), loop (JSON members of the event), loopId,
--      conversationJson (what later hops need), turn and turnSummary (ConversationTurn JSON), turnDrop (how many of the oldest turns go), journalNetMs
-- Returns JSON {"status":"settled","as":status,"next":wake or absent,"follower":run id or absent} | {"status":"superseded"}
-- Keeps I1, I2 (fenced by the token), I3, I8 (first final state wins), I12 (the same token ends again: the same answer).
read({ "status", "token", "endedToken", "cancelRequested", "hop", "agent", "tenant", "deaths", "itemsBytes", "itemsFrom", "turnsBefore",
  "deadlineAtMs", "conversationKeys" })
if run.endedToken == arg.token then return run.lastEnd end
if run.status ~= "running" or run.token ~= arg.token then return '{"status":"superseded"}' end
-- Of no run that is running.
run.parked, run.suspension, run.notBeforeMs, run.announceAtMs = false, false, false, false
local target, hop = arg.queue, tonumber(run.hop) + 1
if arg.outcome == "handed-off" and target == "" then
  local entry = redis.call("HGET", key.agents, arg.to)
  target = entry and cjson.decode(entry).queue or nil
end

settling_for_good()
local RECENT_AGENTS = 32
local outcome = {}

-- A time the caller computed, by this server's clock. Within seconds of each other, clocks count as equal.
local function by_our_clock(at)
  local skew = now - tonumber(arg.clockMs)
  return tonumber(at) + (math.abs(skew) > 5000 and skew or 0)
end

local function keep(field, value)
  redis.call("HSET", key.extra, field, value)
  redis.call("PEXPIREAT", key.extra, run.deadlineAtMs + arg.journalNetMs)
end

-- Adds what the hop leaves. Returns how long the transcript was: nothing is taken out of the list, so that what a hop saw stays readable, and a
-- run can be made anew from there.
local function keep_results()
  local length = arg.items == "" and redis.call("LLEN", key.items) or redis.call("RPUSH", key.items, arg.items) - 1
  if arg.context ~= "" then
    keep(run.hop .. ":context", redis.call("HGET", key.run, "context"))
    set("context", arg.context)
  end
  set("itemsBytes", #arg.items + (arg.replace == "1" and 0 or tonumber(run.itemsBytes or 0)))
  return length
end

-- Before finish(), which passes the turn on.
local function keep_turn()
  local names = conversation()
  if not names or arg.turn == "" then return end
  local bytes = #arg.turn + #arg.turnSummary
  if arg.turnDrop ~= "0" then
    for _, dropped in ipairs(redis.call("LRANGE", names.turns, 0, tonumber(arg.turnDrop) - 1)) do bytes = bytes - #dropped end
    redis.call("LTRIM", names.turns, arg.turnDrop, -1)
  end
  if arg.turnSummary ~= "" then redis.call("LPUSH", names.turns, arg.turnSummary) end
  redis.call("RPUSH", names.turns, arg.turn)
  redis.call("HINCRBY", names.record, "bytes", bytes)
end

outcome["completed"] = function()
  -- The rest of what its hop began with, the record still says.
  set("itemsTo", keep_results(), "output", arg.output)
  keep_turn()
  finish("completed", arg.event)
end

outcome["handed-off"] = function()
  if not target then return fail("AGENT_UNKNOWN", "No worker has ever announced the agent " .. quote(arg.to) .. ".") end
  if hop > tonumber(run.maxHops) then
    return fail("HANDOFF_LIMIT", "Expected at most " .. run.maxHops .. " handoffs; this was number " .. hop .. ".")
  end
  local length = keep_results()
  local start = string.format('{"agent":%s,"from":%d,"to":%d,"turnsBefore":%d}', quote(run.agent), run.itemsFrom or 0, length, run.turnsBefore or 0)
  keep(run.hop, start)
  if arg.replace == "1" then set("itemsFrom", length) end
  if arg.conversationJson ~= "" then set("conversationJson", arg.conversationJson) end
  local recent = cjson.decode(redis.call("HGET", key.run, "recentAgents") or "[]")
  recent[#recent + 1] = run.agent
  if #recent > RECENT_AGENTS then table.remove(recent, 1) end
  set("recentAgents", cjson.encode(recent))
  event("run.handed-off", ',"to":' .. quote(arg.to) .. arg.event)
  run.hop, run.agent, run.queue = tostring(hop), arg.to, target
  unset("error", "journaled", "misplaced", "build", "hopBuild")
  set("hop", run.hop, "agent", run.agent, "queue", run.queue, "retries", 0, "resamples", 0, "turnsBefore", run.turns)
  return queue_again()
end

-- By call id: when a person was first asked about a call whose decision is refused now.
local asked_at = {}

-- A refused decision stays in the history, under a name that no call has; its call can be decided again.
local function refuse_decisions()
  local refusals = cjson.decode(arg.refusals)
  for i = 1, #refusals, 2 do
    local call_id, why = refusals[i], refusals[i + 1]
    local stored = redis.call("HGET", key.decisions, call_id)
    if stored then
      local decision = cjson.decode(stored)
      asked_at[call_id] = decision.requestedAtMs
      redis.call("HDEL", key.decisions, call_id)
      redis.call("HSET", key.decisions, "refused/" .. redis.call("HLEN", key.decisions) .. "/" .. call_id,
        string.sub(stored, 1, -2) .. ',"refused":{"atMs":' .. string.format("%.0f", now) .. ',"why":' .. why .. "}}")
      event("approval.refused", ',"callId":' .. quote(call_id) .. ',"tool":' .. quote(decision.tool)
        .. (decision.by and ',"by":' .. quote(decision.by) or "") .. ',"why":' .. why)
    end
  end
end

-- True when one of the questions is still open.
local function ask()
  local open = false
  local approvals = cjson.decode(arg.approvals)
  for i = 1, #approvals, 3 do
    if redis.call("HEXISTS", key.decisions, approvals[i]) == 0 then
      open = true
      local since = asked_at[approvals[i]] or now
      local stamp = ',"requestedAtMs":' .. string.format("%.0f", since)
      if approvals[i + 2] > 0 then stamp = stamp .. ',"deadlineAtMs":' .. string.format("%.0f", since + approvals[i + 2]) end
      redis.call("HSET", key.approvals, approvals[i], string.sub(approvals[i + 1], 1, -2) .. stamp .. "}")
    end
  end
  return open
end

local function await_people()
  redis.call("ZADD", key.index, 0, indexed("*", "approval"), 0, indexed(run.tenant, "approval"))
  if arg.announce == "1" then
    run.announceAtMs = now + LOOK_MS
    set("announceAtMs", run.announceAtMs, "lookDelayMs", LOOK_MS)
  end
  watch_approvals()
end

outcome["suspended"] = function()
  refuse_decisions()
  local open = ask()
  unset("error", "token", "worker")
  if arg.error ~= "" then set("error", arg.error) end
  if arg.suspension == "replay-diverged" then redis.call("HINCRBY", key.run, "divergences", 1) end
  event("run.suspended", arg.event)
  -- The answer may have come before the question was parked.
  if arg.suspension == "effect-unknown" and redis.call("HLEN", key.intents) == 0 or arg.suspension == "approval" and not open then
    event("run.resumed", ',"because":"answered"')
    return queue_again()
  end
  move("suspended")
  set("suspension", arg.suspension)
  if arg.loopId ~= "" then set("loop", arg.loopId) end
  if arg.suspension == "approval" then
    await_people()
  elseif arg.suspension ~= "lane" then
    redis.call("ZREM", key.dispatch, arg.runId)
  else
    local until_ms = arg.untilMs == "" and now or by_our_clock(arg.untilMs)
    set("notBeforeMs", until_ms)
    redis.call("ZADD", key.dispatch, until_ms, arg.runId)
  end
end

outcome["retry"] = function()
  redis.call("HINCRBY", key.run, arg.misplaced == "1" and "misplaced" or "retries", 1)
  if arg.rejectKey ~= "" then
    -- First the new entry: a hash that is emptied between loses its time to live.
    redis.call("HSET", KEYS[15], arg.rejectionKey, arg.rejection)
    redis.call("HDEL", KEYS[15], arg.rejectKey)
    redis.call("HINCRBY", key.run, "resamples", 1)
  end
  set("error", arg.error)
  event("run.retrying", arg.event)
  local at = by_our_clock(arg.notBeforeMs)
  local later = at > now and at or nil
  local next_wake = queue_again(later)
  if not later then return next_wake end
  set("notBeforeMs", later)
end

outcome["released"] = function()
  event("attempt.released")
  return queue_again()
end

if arg.loop ~= "" and not run.cancelRequested then event("loop.detected", arg.loop) end
local next_wake
if run.cancelRequested then
  finish(run.cancelRequested)
elseif outcome[arg.outcome] then
  next_wake = outcome[arg.outcome]()
else
  finish(arg.outcome, arg.event, arg.error ~= "" and arg.error or nil)
  if arg.rejectKey ~= "" then set("rejectedKey", arg.rejectKey) end
end
local reply = cjson.encode({ status = "settled", as = run.status, next = next_wake, follower = follower })
unset("deaths")
set("endedToken", arg.token, "lastEnd", reply)
return reply
