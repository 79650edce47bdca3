package sqlstep

// lockSession takes the same lock as an UPDATE of the row, so that foreign keys of
// the application's own tables are not blocked. It does not read the steps by a
// join: at READ COMMITTED, a row that was waited for is read again, but the rows
// joined with it are as they were before the wait.
var postgreSQL = statements{
	insertSession: `
INSERT INTO {sessions} (id, state, submissions, created_at, updated_at)
VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO NOTHING`,

	insertStep: `
INSERT INTO {steps} (session_id, name, position, state, required, needs_review)
VALUES ($1, $2, $3, $4, $5, $6)`,

	lockSession: `
SELECT state, submissions
FROM {sessions}
WHERE id = $1
FOR NO KEY UPDATE`,

	moveSession: `
UPDATE {sessions}
SET state = $1, submissions = $2, updated_at = clock_timestamp()
WHERE id = $3`,

	findSteps: `
SELECT name, state, required
FROM {steps}
WHERE session_id = $1
ORDER BY position`,

	moveStep: `
UPDATE {steps}
SET state = $1, needs_review = $2
WHERE session_id = $3 AND name = $4`,

	insertSubmission: `
INSERT INTO {submissions} (session_id, step, submission_key, seq, status, details, submitted_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (session_id, step, submission_key) DO NOTHING`,

	findSubmission: `
SELECT seq
FROM {submissions}
WHERE session_id = $1 AND step = $2 AND submission_key = $3`,

	findSession: `
SELECT s.state,
       (extract(epoch FROM s.created_at) * 1000)::bigint,
       (extract(epoch FROM s.updated_at) * 1000)::bigint,
       t.name, t.state, t.required, t.needs_review,
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
