package sqlstep

// lockSession takes the same lock as an UPDATE of the row, so that foreign keys of
// the application's own tables are not blocked. It does not read the steps by a
// join: at READ COMMITTED, a row that was waited for is read again, but the rows
// joined with it are as they were before the wait.
//
// findDue asks statement_timestamp(), as an index cannot be searched for what
// clock_timestamp() returns, which may differ from row to row.
var postgreSQL = statements{
	insertSession: `
INSERT INTO {sessions} (id, state, changes, created_at, updated_at)
VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO NOTHING`,

	insertStep: `
INSERT INTO {steps} (session_id, name, position, stage, required, state, needs_review, deadline)
VALUES ($1, $2, $3, $4, $5, $6, $7, timestamptz 'epoch' + $8::bigint * interval '1 millisecond')`,

	lockSession: `
SELECT state, changes
FROM {sessions}
WHERE id = $1
FOR NO KEY UPDATE`,

	moveSession: `
UPDATE {sessions}
SET state = $1, changes = $2, updated_at = clock_timestamp()
WHERE id = $3`,

	findSteps: `
SELECT name, stage, required, state, needs_review,
       (extract(epoch FROM deadline) * 1000)::bigint,
       coalesce(deadline <= clock_timestamp(), false)
FROM {steps}
WHERE session_id = $1
ORDER BY position`,

	moveStep: `
UPDATE {steps}
SET state = $1, needs_review = $2, deadline = timestamptz 'epoch' + $3::bigint * interval '1 millisecond'
WHERE session_id = $4 AND name = $5`,

	insertSubmission: `
INSERT INTO {submissions} (session_id, step, submission_key, seq, status, details, submitted_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (session_id, step, submission_key) DO NOTHING`,

	findSubmission: `
SELECT seq
FROM {submissions}
WHERE session_id = $1 AND step = $2 AND submission_key = $3`,

	insertChange: `
INSERT INTO {changes} (session_id, seq, step, from_state, to_state, needs_review, cause, changed_by, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())`,

	findChanges: `
SELECT c.seq, c.step, c.from_state, c.to_state, c.needs_review, c.cause, c.changed_by,
       (extract(epoch FROM c.changed_at) * 1000)::bigint
FROM {sessions} AS s
LEFT JOIN {changes} AS c ON c.session_id = s.id
WHERE s.id = $1
ORDER BY c.seq`,

	findDue: `
SELECT t.session_id, t.name
FROM {steps} AS t
JOIN {sessions} AS s ON s.id = t.session_id
WHERE t.deadline <= statement_timestamp()
ORDER BY t.deadline, t.session_id, t.name
LIMIT $1`,

	findSession: `
SELECT s.state,
       (extract(epoch FROM s.created_at) * 1000)::bigint,
       (extract(epoch FROM s.updated_at) * 1000)::bigint,
       t.name, t.stage, t.required, t.state, t.needs_review,
       (extract(epoch FROM t.deadline) * 1000)::bigint,
       u.submission_key, u.status, u.details,
       (extract(epoch FROM u.submitted_at) * 1000)::bigint
FROM {sessions} AS s
LEFT JOIN {steps} AS t ON t.session_id = s.id
LEFT JOIN {submissions} AS u ON u.session_id = t.session_id AND u.step = t.name
WHERE s.id = $1
ORDER BY t.position, t.name, u.seq`,

	findVersion: `
SELECT version
FROM {version}
WHERE id = 1`,
}
