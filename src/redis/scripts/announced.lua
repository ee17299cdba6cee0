-- Notes that the open approvals were announced.
-- ARGV wake (whose approvals they are)
-- Returns ""
-- Keeps I6, I12 (a second time changes nothing).
if run.status ~= "suspended" or run.wake ~= arg.wake or not run.announceAtMs then return "" end

settling()
unset("announceAtMs")
run.announceAtMs = false
watch_approvals()
return ""
