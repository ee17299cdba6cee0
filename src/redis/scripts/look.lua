-- Repairs one run whose dispatch entry or deadline is due.
-- ARGV retentionMs, maxDeaths, stops (channel)
-- Returns wake JSON to be put into its queue if missing, or ""
-- Keeps I3 (one dispatch member per live run), I6 (a lane's time, a turn in a conversation, an approval's deadline), I8 (deadline, deaths).

-- What nobody decided in time is decided by the tool's policy.
local function settle_approvals()
  local failing
  local approvals = redis.call("HGETALL", key.approvals)
  for i = 1, #approvals, 2 do
    local call = cjson.decode(approvals[i + 1])
    if call.deadlineAtMs and call.deadlineAtMs <= now then
      record_decision(approvals[i], ',"approve":false,"timedOut":true')
      if call.onTimeout == "fail" then failing = failing or call end
    end
  end
  if failing then
    fail("APPROVAL_TIMED_OUT", "Nobody decided on " .. failing.tool .. " (" .. failing.callId .. ") within "
      .. string.format("%.0f", failing.withinMs) .. " ms.")
    return ""
  end
  if redis.call("HLEN", key.approvals) == 0 then
    event("run.resumed", ',"because":"timed-out"')
    return wake_json(queue_again())
  end
  if run.announceAtMs and tonumber(run.announceAtMs) <= now then
    local delay = tonumber(run.lookDelayMs)
    run.announceAtMs = now + delay
    set("announceAtMs", run.announceAtMs, "lookDelayMs", math.min(delay * 3, 600000))
  end
  watch_approvals()
  return ""
end

if not run.status or FINAL[run.status] then
  redis.call("ZREM", key.dispatch, arg.runId)
  redis.call("ZREM", key.timers, arg.runId)
  return ""
end
local score = redis.call("ZSCORE", key.dispatch, arg.runId)
local waits = run.status == "suspended" or run.status == "paused"
local due = not score and not waits or score and tonumber(score) <= now
local stop = stop_reason()
if not due and not stop then return "" end

settling_for_good()
if run.status == "running" then
  if due then
    if lose_attempt() then return "" end
    if stop then return finish(stop) or "" end
    return wake_json(queue_again())
  end
  -- The attempt is alive: it is told once, its lease stays watched by dispatch.
  redis.call("ZREM", key.timers, arg.runId)
  if not run.cancelRequested then set("cancelRequested", stop) end
  redis.call("PUBLISH", arg.stops, arg.runId .. " " .. stop)
  return ""
end
if stop then return finish(stop) or "" end
if waits then
  if run.suspension == "approval" then return settle_approvals() end
  local names = run.suspension == "conversation" and conversation()
  local has_turn = names and redis.call("LINDEX", names.queue, 0) == arg.runId
  if run.suspension ~= "lane" and not has_turn then
    redis.call("ZREM", key.dispatch, arg.runId)
    return ""
  end
  event("run.resumed", ',"because":' .. quote(run.suspension))
  return wake_json(queue_again())
end
local delay = tonumber(run.lookDelayMs)
redis.call("ZADD", key.dispatch, now + delay, arg.runId)
set("lookDelayMs", math.min(delay * 3, 600000))
return cjson.encode(wake_job())
