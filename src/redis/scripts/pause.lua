-- Holds one run back. What nobody holds is parked at once; an attempt finishes its present step first, and what waits for a person goes on waiting.
-- ARGV note (JSON members: by, reason)
-- Returns {"unknown"} | {"already-final", status} | {"already-paused", pause (JSON)} | {"paused"} | {"requested"}
-- Keeps I3 (a parked run has no dispatch member), I6, I12.
if not run.status then return { "unknown" } end
if FINAL[run.status] then return { "already-final", run.status } end
if run.pause then return { "already-paused", run.pause } end

settling()
run.pause = '{"scope":"run",' .. arg.note .. ',"atMs":' .. string.format("%.0f", now) .. "}"
set("pause", run.pause)
if run.status == "running" or run.status == "suspended" and run.suspension ~= "lane" then
  event("pause.requested", ',"pause":' .. run.pause)
  return { run.status == "running" and "requested" or "paused" }
end
leave_parking()
park("run", run.pause)
return { "paused" }
