-- Deletes one run that is over, whatever its retention says. Stands alone: most of its keys are journals.
-- KEYS 1 run, 2 dispatch, 3 timers, 4 retention, 5 index, 6 its idempotency key (the run again when it has none), 7... every other key of the run
-- ARGV 1 runId, 2 hop as the caller read it, 3 retention member, 4... index members
-- Returns {"removed", wake, attempts, turns, queue} | {"live", status} | {"moved"} (the hop changed: read it again) | {"unknown"}
-- Keeps I1 (a live run is never deleted under its attempt), I9 (index members go with the keys), I12 (a second time it is unknown).
local run = redis.call("HMGET", KEYS[1], "status", "hop", "wake", "attempts", "turns", "queue")
local status = run[1]
if not status then return { "unknown" } end
if status == "queued" or status == "running" or status == "suspended" or status == "paused" then return { "live", status } end
if run[2] ~= ARGV[2] then return { "moved" } end

redis.call("ZREM", KEYS[4], ARGV[3])
redis.call("ZREM", KEYS[2], ARGV[1])
redis.call("ZREM", KEYS[3], ARGV[1])
for i = 4, #ARGV do redis.call("ZREM", KEYS[5], ARGV[i]) end
if KEYS[6] ~= KEYS[1] then
  -- The key may have lapsed and belong to a later run.
  local owner = redis.call("GET", KEYS[6])
  if owner and string.match(owner, "^(%S+) ") == ARGV[1] then redis.call("UNLINK", KEYS[6]) end
end
redis.call("UNLINK", KEYS[1])
for i = 7, #KEYS do redis.call("UNLINK", KEYS[i]) end
return { "removed", run[3], run[4], run[5], run[6] }
