package sqlstep

// Binary columns are independent of the connection's character set. Times are UTC,
// whatever the session's time zone.
//
// All reads of a submission lock: at REPEATABLE READ, a plain SELECT answers from
// the snapshot, which may be older than the lock. The submission is inserted before
// it is looked up, because a locking read of an absent key locks the gap, and two
// of those deadlock when they insert.
var mySQL = statements{
	insertSession: `
INSERT INTO {sessions} (id, state, changes, created_at, updated_at)
VALUES (?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE changes = changes`,

	insertStep: `
INSERT INTO {steps} (session_id, name, position, stage, required, state, needs_review, deadline)
VALUES (?, ?, ?, ?, ?, ?, ?, TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? * 1000 MICROSECOND)`,

	lockSession: `
SELECT state, changes
FROM {sessions}
WHERE id = ?
FOR UPDATE`,

	moveSession: `
UPDATE {sessions}
SET state = ?, changes = ?, updated_at = UTC_TIMESTAMP(6)
WHERE id = ?`,

	findSteps: `
SELECT name, stage, required, state, needs_review,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', deadline) DIV 1000,
       COALESCE(deadline <= UTC_TIMESTAMP(6), FALSE)
FROM {steps}
WHERE session_id = ?
ORDER BY position
FOR UPDATE`,

	moveStep: `
UPDATE {steps}
SET state = ?, needs_review = ?, deadline = TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ? * 1000 MICROSECOND
WHERE session_id = ? AND name = ?`,

	insertSubmission: `
INSERT INTO {submissions} (session_id, step, submission_key, seq, status, details, submitted_at)
VALUES (?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE seq = seq`,

	findSubmission: `
SELECT seq
FROM {submissions}
WHERE session_id = ? AND step = ? AND submission_key = ?
FOR UPDATE`,

	insertChange: `
INSERT INTO {changes} (session_id, seq, step, from_state, to_state, needs_review, cause, changed_by, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6))`,

	findChanges: `
SELECT c.seq, c.step, c.from_state, c.to_state, c.needs_review, c.cause, c.changed_by,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', c.changed_at) DIV 1000
FROM {sessions} AS s
LEFT JOIN {changes} AS c ON c.session_id = s.id
WHERE s.id = ?
ORDER BY c.seq`,

	findDue: `
SELECT t.session_id, t.name
FROM {steps} AS t
JOIN {sessions} AS s ON s.id = t.session_id
WHERE t.deadline <= UTC_TIMESTAMP(6)
ORDER BY t.deadline, t.session_id, t.name
LIMIT ?`,

	findSession: `
SELECT s.state,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', s.created_at) DIV 1000,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', s.updated_at) DIV 1000,
       t.name, t.stage, t.required, t.state, t.needs_review,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', t.deadline) DIV 1000,
       u.submission_key, u.status, u.details,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', u.submitted_at) DIV 1000
FROM {sessions} AS s
LEFT JOIN {steps} AS t ON t.session_id = s.id
LEFT JOIN {submissions} AS u ON u.session_id = t.session_id AND u.step = t.name
WHERE s.id = ?
ORDER BY t.position, t.name, u.seq`,

	findVersion: `
SELECT version
FROM {version}
WHERE id = 1`,
}
