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
INSERT INTO {sessions} (id, state, submissions, created_at, updated_at)
VALUES (?1, ?2, ?3,
        CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER),
        CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER))
ON CONFLICT (id) DO NOTHING`,

	insertStep: `
INSERT INTO {steps} (session_id, name, position, state, required, needs_review)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,

	lockSession: `
UPDATE {sessions}
SET submissions = submissions
WHERE id = ?1
RETURNING state, submissions`,

	moveSession: `
UPDATE {sessions}
SET state = ?1, submissions = ?2, updated_at = CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)
WHERE id = ?3`,

	findSteps: `
SELECT name, state, required
FROM {steps}
WHERE session_id = ?1
ORDER BY position`,

	moveStep: `
UPDATE {steps}
SET state = ?1, needs_review = ?2
WHERE session_id = ?3 AND name = ?4`,

	insertSubmission: `
INSERT INTO {submissions} (session_id, step, submission_key, seq, status, details, submitted_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER))
ON CONFLICT (session_id, step, submission_key) DO NOTHING`,

	findSubmission: `
SELECT seq
FROM {submissions}
WHERE session_id = ?1 AND step = ?2 AND submission_key = ?3`,

	findSession: `
SELECT s.state, s.created_at, s.updated_at,
       t.name, t.state, t.required, t.needs_review,
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
