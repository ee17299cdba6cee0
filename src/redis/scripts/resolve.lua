-- Takes a person's word on a call whose effect is unknown, on a diverged replay, or on a loop.
-- KEYS 14 the journal of hop ARGV.hop
-- ARGV hop (as the caller read it), callId ("" for none), resolution, journalKey, value (JSON, for "ran"), journalNetMs, retentionMs
-- Returns {"unknown"} | {"moved"} (the hop changed: read it again) | {"not-open"} | {"resolved", wake JSON or ""}
-- Keeps I3, I5, I8, I12.
if not run.status then return { "unknown" } end
local diverged, loops = run.suspension == "replay-diverged", run.suspension == "loop"
if run.status ~= "suspended" or not (diverged or loops or run.suspension == "effect-unknown") then return { "not-open" } end
if run.hop ~= arg.hop then return { "moved" } end
local intent_open = redis.call("HEXISTS", key.intents, arg.callId) == 1
local about_call = arg.resolution == "ran" or arg.resolution == "not-run"
if (arg.resolution == "continue") ~= loops and arg.resolution ~= "fail" then return { "not-open" } end
if about_call and not intent_open or arg.resolution == "resample" and not diverged then return { "not-open" } end
if arg.resolution == "fail" and arg.callId ~= "" and not intent_open then return { "not-open" } end

settling_for_good()
if arg.resolution == "fail" then
  -- The code says what stopped the run, so that all that one deploy stopped can be found and retried by it.
  local code = loops and "LOOP_DETECTED" or diverged and arg.callId == "" and "REPLAY_DIVERGED" or "TOOL_FAILED"
  fail(code, arg.callId == "" and "A person ended the run." or "A person said that the call " .. arg.callId .. " failed.")
  return { "resolved", "" }
end
if loops then
  -- Kept like a decision: each later attempt finds the loop again, and this beside it.
  redis.call("HSETNX", key.decisions, redis.call("HGET", key.run, "loop"),
    '{"agent":' .. quote(run.agent) .. ',"atMs":' .. string.format("%.0f", now) .. ',"approve":true}')
  unset("loop")
end
if arg.resolution == "resample" then
  redis.call("DEL", key.extra)
  unset("journaled")
  diverged = false
end
if arg.resolution == "ran" then
  redis.call("HSETNX", key.extra, arg.journalKey, arg.value)
  redis.call("PEXPIREAT", key.extra, tonumber(run.deadlineAtMs) + tonumber(arg.journalNetMs))
  set("journaled", run.hop)
end
if about_call then redis.call("HDEL", key.intents, arg.callId) end
if diverged or redis.call("HLEN", key.intents) > 0 and run.suspension == "effect-unknown" then
  redis.call("PUBLISH", arg.channel, "resolved")
  return { "resolved", "" }
end
event("run.resumed", ',"because":' .. quote(arg.resolution))
return { "resolved", wake_json(queue_again()) }
