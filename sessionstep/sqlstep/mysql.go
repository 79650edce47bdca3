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
INSERT INTO {sessions} (id, state, submissions, created_at, updated_at)
VALUES (?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE submissions = submissions`,

	insertStep: `
INSERT INTO {steps} (session_id, name, position, state, required, needs_review)
VALUES (?, ?, ?, ?, ?, ?)`,

	lockSession: `
SELECT state, submissions
FROM {sessions}
WHERE id = ?
FOR UPDATE`,

	moveSession: `
UPDATE {sessions}
SET state = ?, submissions = ?, updated_at = UTC_TIMESTAMP(6)
WHERE id = ?`,

	findSteps: `
SELECT name, state, required
FROM {steps}
WHERE session_id = ?
ORDER BY position
FOR UPDATE`,

	moveStep: `
UPDATE {steps}
SET state = ?, needs_review = ?
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

	findSession: `
SELECT s.state,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', s.created_at) DIV 1000,
       TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', s.updated_at) DIV 1000,
       t.name, t.state, t.required, t.needs_review,
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
