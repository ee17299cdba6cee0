-- Deletes one final run whose retention has passed. Stands alone: most of its keys are journals.
-- KEYS 1 retention, 2 index, 3... every key of the run
-- ARGV 1 retention member, 2... index members
-- Returns 1 when it was deleted, 0 when it is not due or was deleted before
-- Keeps I9 (index members go with the keys).
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local score = redis.call("ZSCORE", KEYS[1], ARGV[1])
if not score or tonumber(score) > now then return 0 end

redis.call("ZREM", KEYS[1], ARGV[1])
for i = 2, #ARGV do redis.call("ZREM", KEYS[2], ARGV[i]) end
for i = 3, #KEYS do redis.call("UNLINK", KEYS[i]) end
return 1
