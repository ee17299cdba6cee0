-- Takes a run's own pause back. Where its agent or tenant is paused, the run stays parked under that.
-- ARGV none of its own
-- Returns {"unknown"} | {"not-paused", status} | {"held", pause (JSON)} | {"resumed", wake JSON or ""}
-- Keeps I3, I12.
if not run.status then return { "unknown" } end
if not run.pause and run.status ~= "paused" then return { "not-paused", run.status } end

settling()
unset("pause")
run.pause = false
local scope, json = pause_of()
if run.status ~= "paused" then
  event("run.resumed", ',"because":"unpaused"')
  return { "resumed", "" }
end
if scope then
  if run.parked ~= scope then
    leave_parking()
    park(scope, json)
  end
  return { "held", json }
end
return { "resumed", wake_json(unpause()) }
