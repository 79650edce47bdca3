package sqlstep

// Times are milliseconds since 1970; julianday's 'now' has them in every version
// that we support.
//
// SQLite has one writer and no row locks. lockSession changes nothing, but as a
// write, and our first statement, it takes the database's lock before anything is
// read: a transaction that has read first fails at once if another has written
// since, and no busy timeout helps.
var sqlite = statements{
	insertSession: `
INSERT INTO {sessions} (id, state, changes, created_at, updated_at)
VALUES (?1, ?2, ?3,
        CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER),
        CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER))
ON CONFLICT (id) DO NOTHING`,

	insertStep: `
INSERT INTO {steps} (session_id, name, position, stage, required, state, needs_review, deadline)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,

	lockSession: `
UPDATE {sessions}
SET changes = changes
WHERE id = ?1
RETURNING state, changes`,

	moveSession: `
UPDATE {sessions}
SET state = ?1, changes = ?2, updated_at = CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)
WHERE id = ?3`,

	findSteps: `
SELECT name, stage, required, state, needs_review, deadline,
       coalesce(deadline <= CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER), FALSE)
FROM {steps}
WHERE session_id = ?1
ORDER BY position`,

	moveStep: `
UPDATE {steps}
SET state = ?1, needs_review = ?2, deadline = ?3
WHERE session_id = ?4 AND name = ?5`,

	insertSubmission: `
INSERT INTO {submissions} (session_id, step, submission_key, seq, status, details, submitted_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER))
ON CONFLICT (session_id, step, submission_key) DO NOTHING`,

	findSubmission: `
SELECT seq
FROM {submissions}
WHERE session_id = ?1 AND step = ?2 AND submission_key = ?3`,

	insertChange: `
INSERT INTO {changes} (session_id, seq, step, from_state, to_state, needs_review, cause, changed_by, changed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER))`,

	findChanges: `
SELECT c.seq, c.step, c.from_state, c.to_state, c.needs_review, c.cause, c.changed_by, c.changed_at
FROM {sessions} AS s
LEFT JOIN {changes} AS c ON c.session_id = s.id
WHERE s.id = ?1
ORDER BY c.seq`,

	findDue: `
SELECT t.session_id, t.name
FROM {steps} AS t
JOIN {sessions} AS s ON s.id = t.session_id
WHERE t.deadline <= CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)
ORDER BY t.deadline, t.session_id, t.name
LIMIT ?1`,

	findSession: `
SELECT s.state, s.created_at, s.updated_at,
       t.name, t.stage, t.required, t.state, t.needs_review, t.deadline,
       u.submission_key, u.status, u.details, u.submitted_at
FROM {sessions} AS s
LEFT JOIN {steps} AS t ON t.session_id = s.id
LEFT JOIN {submissions} AS u ON u.session_id = t.session_id AND u.step = t.name
WHERE s.id = ?1
ORDER BY t.position, t.name, u.seq`,

	findVersion: `
SELECT version
FROM {version}
WHERE id = 1`,
}
