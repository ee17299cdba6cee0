-- Records that a tool's effect is about to happen.
-- ARGV token, callId, tool, intent (JSON)
-- Returns {"opened"} | {"superseded"} | {"stop", reason}
-- Keeps I2 (only the current attempt may start an effect), I5, I12 (the token stands before the intent, so a re-sent command finds itself).
if run.status ~= "running" or run.token ~= arg.token then return { "superseded" } end
local mark = arg.token .. "\n"
local earlier = redis.call("HGET", key.intents, arg.callId)
if earlier and string.sub(earlier, 1, #mark) == mark then return { "opened" } end
local stop = stop_reason()
if stop then return { "stop", stop } end

-- No settling() here: at the end of memory no new effect starts.
redis.call("HSET", key.intents, arg.callId, mark .. arg.intent)
event("tool.started", ',"callId":' .. quote(arg.callId) .. ',"tool":' .. quote(arg.tool))
return { "opened" }
