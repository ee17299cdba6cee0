-- Takes a run back from an attempt whose process is known to be dead: as look does when a lease is over, but at once.
-- ARGV token, retentionMs, maxDeaths
-- Returns wake JSON to be put into its queue, or "" (the token does not hold the run, or the run has ended)
-- Keeps I2 (only from the attempt that holds it), I3, I8 (deaths, deadline), I12 (the same token gets the same wake again).
local taken = run.status == "queued" and redis.call("HGET", key.run, "takenBack")
if taken == arg.token .. " " .. (run.wake or "") then return cjson.encode(wake_job()) end
if run.status ~= "running" or run.token ~= arg.token then return "" end

settling_for_good()
local stop = stop_reason()
if lose_attempt() then return "" end
if stop then return finish(stop) or "" end
local wake = queue_again()
if wake then set("takenBack", arg.token .. " " .. wake.wake) end
return wake_json(wake)
