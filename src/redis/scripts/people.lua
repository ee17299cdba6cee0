-- Put behind the moves where a script is about what people are asked or say.

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
