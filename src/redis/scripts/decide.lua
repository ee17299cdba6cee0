-- Stores a person's decision on a tool call, write-once; with the last one the run is queued again.
-- ARGV callId, id (the client's, of this decision), decision (JSON members that start with a comma, the id among them), tenant ("" for any)
-- Returns {"unknown"} (no such run, or another tenant's) | {"not-open"} | {"resolved", wake JSON or ""}
-- Keeps I3, I8, I11, I12 (the same id is answered as the first time).
if not run.status or arg.tenant ~= "" and arg.tenant ~= run.tenant then return { "unknown" } end
local earlier = redis.call("HGET", key.decisions, arg.callId)
if earlier and cjson.decode(earlier).id == arg.id then
  return { "resolved", run.status == "queued" and cjson.encode(wake_job()) or "" }
end
if earlier or run.status ~= "suspended" or run.suspension ~= "approval" then return { "not-open" } end
local asked = redis.call("HGET", key.approvals, arg.callId)
if not asked then return { "not-open" } end
-- From its deadline on a question is the policy's, whether or not somebody has looked yet.
local deadline = cjson.decode(asked).deadlineAtMs
if deadline and deadline <= now then return { "not-open" } end

settling()
record_decision(arg.callId, arg.decision)
if redis.call("HLEN", key.approvals) > 0 then
  watch_approvals()
  return { "resolved", "" }
end
event("run.resumed", ',"because":"decided"')
return { "resolved", wake_json(queue_again()) }
