-- Prolongs the leases of runs that one process holds. Stands alone: it works on many runs.
-- KEYS 1 dispatch, 2 retention, 3... run records
-- ARGV 1 leaseMs, then per record: runId, token
-- Returns {ids of runs whose token is no longer current, flat list of run id and reason of the kept ones that should stop}
-- Keeps I2, I3, I8 (a stop whose message was lost is told here). Its first write passes at maxmemory.
local time = redis.call("TIME")
local score = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1]) + 1000
local lost, kept, stopped = {}, {}, {}
for i = 3, #KEYS do
  local run_id, token = ARGV[2 * i - 4], ARGV[2 * i - 3]
  local record = redis.call("HMGET", KEYS[i], "status", "token", "cancelRequested")
  local list = record[1] == "running" and record[2] == token and kept or lost
  list[#list + 1] = run_id
  if list == kept and record[3] then
    stopped[#stopped + 1] = run_id
    stopped[#stopped + 1] = record[3]
  end
end
redis.call("ZREM", KEYS[2], "-")
for _, run_id in ipairs(kept) do redis.call("ZADD", KEYS[1], score, run_id) end
return { lost, stopped }
