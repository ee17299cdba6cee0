-- Stores a person's decision on a tool call, write-once; with the last one the run is queued again.
-- ARGV callId, decision (JSON)
-- Returns {"unknown"} | {"not-open"} | {"resolved", wake JSON or ""}
-- Keeps I3, I8.
if not run.status then return { "unknown" } end
if run.status ~= "suspended" or run.suspension ~= "approval" then return { "not-open" } end
if redis.call("HEXISTS", key.approvals, arg.callId) == 0 then return { "not-open" } end

settling()
redis.call("HDEL", key.approvals, arg.callId)
redis.call("HSETNX", key.decisions, arg.callId, arg.decision)
redis.call("PUBLISH", arg.channel, "decided")
if redis.call("HLEN", key.approvals) > 0 then return { "resolved", "" } end
event("run.resumed", ',"because":"decided"')
return { "resolved", wake_json(queue_again()) }
