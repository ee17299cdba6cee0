-- Ends a run that nobody holds, or asks the attempt that holds it to stop.
-- ARGV retentionMs, stops (channel)
-- Returns {"unknown"} | {"already-final", status} | {"cancelled", the run whose turn in the conversation has come, or ""} | {"requested"}
-- Keeps I8 (first final state wins), I12.
if not run.status then return { "unknown" } end
if FINAL[run.status] then return { "already-final", run.status } end
if run.status == "running" and run.cancelRequested then return { "requested" } end

settling_for_good()
if run.status ~= "running" then
  finish("cancelled")
  return { "cancelled", follower or "" }
end
set("cancelRequested", "cancelled")
event("cancel.requested")
redis.call("PUBLISH", arg.stops, arg.runId .. " cancelled")
return { "requested" }
