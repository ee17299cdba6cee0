-- Queues one run again that was parked under an agent or tenant which is not paused any more.
-- ARGV scope
-- Returns wake JSON to be put into its queue, or "" (it is not parked there, or something else holds it now)
-- Keeps I3, I12 (the second time it is not parked there).
settling()
if run.status ~= "paused" or run.parked ~= arg.scope then
  redis.call("ZREM", key.parked, arg.scope .. "\n" .. arg.runId)
  return ""
end
local scope, json = pause_of()
if scope == arg.scope then return "" end
if not scope then return wake_json(unpause()) end
leave_parking()
park(scope, json)
return ""
