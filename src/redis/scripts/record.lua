-- Stores a finished model or tool call, write-once. Accepted from superseded attempts: it is paid for.
-- KEYS 14 the journal of the fact's hop, 15 the totals of the day
-- ARGV token, hop, key, value (JSON), counted (counters of the record, each with what is added to it),
--      event (JSON, "" for none), closesIntent ("" for none), journalNetMs (how long past the deadline the journal may stay);
--      of a model call also: row (whose totals it adds to), untaggedRow (when there are maxTaggedRows rows, "" for a call without tags),
--      otherRow (when there are maxRows rows), numbers (to add, by place), totalsMs (how long they stay)
-- Returns {"gone"} | {"recorded", "1" when new, the stored value when not new, "1" when the token is current, stop reason or "", "1" when paused}
-- Keeps I2, I4, I5 (a result closes its intent in the same step), I8 (nothing follows the final event), I12.
-- As text: Lua would round large ones. %d is the fast way, and of 32 bits on a JavaScript server.
local function whole(number) return string.format(number < 2147483648 and "%d" or "%.0f", number) end

-- Numbers stand in one field, because each call out of Lua costs more than the sums.
local function sum(row, more)
  local sums = {}
  for number in string.gmatch(row, "%d+") do sums[#sums + 1] = number end
  local i = 0
  for number in string.gmatch(more, "%d+") do
    i = i + 1
    sums[i] = number == "0" and (sums[i] or "0") or whole((sums[i] or 0) + number)
  end
  return table.concat(sums, " ")
end

local function tally()
  local totals, row, is_first = KEYS[15], arg.row, false
  local numbers = redis.call("HGET", totals, row)
  if not numbers then
    local rows = redis.call("HLEN", totals)
    is_first = rows == 0
    if arg.untaggedRow ~= "" and rows >= tonumber(arg.maxTaggedRows) then
      row = arg.untaggedRow
      numbers = redis.call("HGET", totals, row)
    end
    if not numbers and rows >= tonumber(arg.maxRows) then
      row = arg.otherRow
      numbers = redis.call("HGET", totals, row)
    end
  end
  redis.call("HSET", totals, row, numbers and sum(numbers, arg.numbers) or arg.numbers)
  if is_first then redis.call("PEXPIRE", totals, arg.totalsMs) end
end

local counted = {}
local fields = { "status", "token", "hop", "agent", "deadlineAtMs", "tenant", "pause", "cancelRequested", "suspension" }
for counter, more in string.gmatch(arg.counted, "(%a+) (%d+)") do
  counted[counter] = tonumber(more)
  fields[#fields + 1] = counter
end
read(fields)
if not run.status then return { "gone" } end
local current = run.status == "running" and run.token == arg.token
local stop = ""
if not FINAL[run.status] then
  stop = stop_reason() or ""
elseif run.status == "expired" or run.status == "cancelled" then
  stop = run.status
end

settling()
local paused = current and pause_of() and "1" or "0"
local new = redis.call("HSETNX", key.extra, arg.key, arg.value)
if arg.closesIntent ~= "" and redis.call("HDEL", key.intents, arg.closesIntent) == 1 and run.suspension == "effect-unknown"
  and redis.call("HLEN", key.intents) == 0 then
  -- The late result of a superseded attempt answered what a person was asked; the reconciler offers the run at once.
  event("run.resumed", ',"because":"answered"')
  queue_again(now)
end
if new == 0 then
  return { "recorded", "0", redis.call("HGET", key.extra, arg.key), current and "1" or "0", stop, paused }
end
if redis.call("HLEN", key.extra) == 1 then
  redis.call("PEXPIREAT", key.extra, run.deadlineAtMs + arg.journalNetMs)
end
for counter, more in pairs(counted) do set(counter, whole((run[counter] or 0) + more)) end
if arg.row ~= "" then tally() end
if run.hop == arg.hop then set("journaled", run.hop) end
if arg.event ~= "" and not FINAL[run.status] then append_event(arg.event) end
return { "recorded", "1", "", current and "1" or "0", stop, paused }
