package sqlstep

// COLLATE "C" compares bytes, and indexes made under it outlive the upgrade of
// the system's locale.
//
// lockSession takes the lock that an UPDATE of the row takes, and leaves foreign
// keys of the application's own tables alone. It does not read steps by a join:
// at READ COMMITTED a row that was waited for is read again, but what it was
// joined with stays as it was before the wait.
var postgreSQL = statements{
	createSessions: `
CREATE TABLE IF NOT EXISTS {sessions} (
    id          text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL,
    submissions bigint           NOT NULL,
    created_at  timestamptz      NOT NULL,
    updated_at  timestamptz      NOT NULL,
    PRIMARY KEY (id)
)`,

	createSteps: `
CREATE TABLE IF NOT EXISTS {steps} (
    session_id   text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    position     integer          NOT NULL,
    state        text COLLATE "C" NOT NULL,
    required     boolean          NOT NULL,
    needs_review boolean          NOT NULL,
    PRIMARY KEY (session_id, name)
)`,

	createSubmissions: `
CREATE TABLE IF NOT EXISTS {submissions} (
    session_id     text COLLATE "C" NOT NULL,
    step           text COLLATE "C" NOT NULL,
    submission_key text COLLATE "C" NOT NULL,
    seq            bigint           NOT NULL, -- counts from 1 in the session
    status         text COLLATE "C" NOT NULL,
    details        text,                      -- JSON as it was sent
    submitted_at   timestamptz      NOT NULL,
    PRIMARY KEY (session_id, step, submission_key)
)`,

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
}
