-- A page of the runs that are parked under a scope that was resumed, oldest first; the empty one ends the resuming.
-- KEYS 1 parked, 2 resuming
-- ARGV 1 scope, 2 limit
-- Returns run ids
-- Keeps I3 (the mark goes only when no run is left).
if not redis.call("ZSCORE", KEYS[2], ARGV[1]) then return {} end
local first = ARGV[1] .. "\n"
local ids = {}
for _, member in ipairs(redis.call("ZRANGEBYLEX", KEYS[1], "[" .. first, "[" .. first .. "~", "LIMIT", 0, ARGV[2])) do
  ids[#ids + 1] = string.sub(member, #first + 1)
end
if #ids == 0 then redis.call("ZREM", KEYS[2], ARGV[1]) end
return ids
