-- Put behind the moves where a script may end a run.

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
  return tonumber(string.match(arg.retentionMs, '"' .. status .. '":(%d+)') or arg.retentionMs)
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
  move(status)
  set("finishedAtMs", now_text)
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
  for _, name in ipairs({ "run", "items", "events" }) do redis.call("PEXPIRE", key[name], keep_ms + NET_MS) end
  -- Most runs end without any of these.
  if redis.call("EXISTS", key.approvals, key.intents, key.decisions) > 0 then
    redis.call("DEL", key.approvals)
    for _, name in ipairs({ "intents", "decisions" }) do redis.call("PEXPIRE", key[name], keep_ms + NET_MS) end
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
