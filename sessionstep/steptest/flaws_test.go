package steptest_test

// A flaw is what is wrong with a service, in words.
type flaw string

const (
	none flaw = ""

	dropped        flaw = "what is accepted is not kept"
	appliedTwice   flaw = "what is accepted is kept twice"
	statusLost     flaw = "the status is not kept"
	statesStand    flaw = "a verdict moves nothing"
	failedIsDone   flaw = "a rejected step counts as completed"
	reviewEnds     flaw = "a step that needs a review takes nothing more"
	detailsCompact flaw = "details are written anew"
	detailsNull    flaw = "absent details become null"
	detailsNone    flaw = "details are dropped"

	keyIgnored        flaw = "the key is ignored"
	keyMoves          flaw = "a repetition is not recorded, but moves the step"
	keyOfContent      flaw = "the same key with other content is another submission"
	keyConflicts      flaw = "a repetition is an error"
	keyAfterStep      flaw = "the step is looked at before the key"
	keyAfterSession   flaw = "the session is looked at before the key"
	keyLatestOnly     flaw = "only the latest key is remembered"
	keyGoneAtEnd      flaw = "the end of a step wipes its keys"
	keyOfSession      flaw = "keys are those of the session, not of the step"
	keyOfAll          flaw = "keys are those of all sessions"
	keyBeforeChecks   flaw = "the key is recorded before the step is looked at"
	sessionMade       flaw = "an unknown session is made"
	sessionPlainError flaw = "an unknown session is an error of its own"
	sessionAnyState   flaw = "a session that has ended takes submissions"
	stepMade          flaw = "an unknown step is made"
	stepIsSession     flaw = "an unknown step is reported as an unknown session"
	stepAnyState      flaw = "a step that has not begun takes submissions"
	refusalMarks      flaw = "a refused submission leaves a mark"
	refusalAccepted   flaw = "a refused submission is answered nil"
	notValidated      flaw = "submissions are not validated"

	foldsCase      flaw = "IDs are folded to lower case"
	trimsSpace     flaw = "spaces behind IDs do not count"
	truncates      flaw = "IDs are truncated"
	normalizes     flaw = "accents do not count"
	basicPlaneOnly flaw = "IDs end at the first character outside of the basic plane"
	numeric        flaw = "IDs that are numbers are compared as numbers"
	unescapes      flaw = "IDs are unescaped"
	foldsSessions  flaw = "the IDs of sessions are folded"
	foldsSteps     flaw = "the names of steps are folded"

	cancelledDone    flaw = "a submission under a cancelled context is done, and reported as an error"
	cancelledRefused flaw = "a submission under a cancelled context is refused"
	cutHalfway       flaw = "the end of the context leaves half a submission"

	checksThenActs flaw = "the key is checked, then acted on"
	updatesLost    flaw = "submissions are read, added to, and written back"
	approvalLost   flaw = "whether all steps are completed is read before the lock"
	stateStale     flaw = "the state is checked, then acted on"
	raceIsError    flaw = "concurrent submissions fail for good"

	txDropped     flaw = "what is done in a transaction is not committed"
	txIgnored     flaw = "transactions are not joined"
	txCommitted   flaw = "the transaction is committed"
	txWritesFirst flaw = "what is refused in a transaction is written first, and left to the rollback"
	txRefusalEnds flaw = "a refusal rolls the transaction back and goes on without"
	txKeyInMemory flaw = "keys are kept in memory, where no rollback reaches them"
	txKeyUnseen   flaw = "keys of the same transaction are not seen"
	txRaces       flaw = "transactions do not exclude each other"
)

// caughtBy names, for each flaw, the check that is there to catch it. Others may catch
// it too.
var caughtBy = []struct {
	flaw  flaw
	check string
}{
	{dropped, "a submission to a step in progress is accepted and kept"},
	{appliedTwice, "a submission to a step in progress is accepted and kept"},
	{statusLost, "a submission to a step in progress is accepted and kept"},
	{statesStand, "a verdict changes the states"},
	{failedIsDone, "a verdict changes the states"},
	{reviewEnds, "a step that needs a review takes the decision"},
	{detailsCompact, "details are kept byte for byte"},
	{detailsNull, "details are kept byte for byte"},
	{detailsNone, "details are kept byte for byte"},
	{keyIgnored, "a key that was accepted changes nothing while the step is in progress, and returns nil"},
	{keyMoves, "a key that was accepted changes nothing while the step is in progress, and returns nil"},
	{keyOfContent, "a key that was accepted changes nothing while the step is in progress, and returns nil"},
	{keyConflicts, "a key that was accepted changes nothing while the step is in progress, and returns nil"},
	{keyAfterStep, "a key that was accepted changes nothing after the step has moved on, and returns nil"},
	{keyLatestOnly, "a key that was accepted changes nothing after the step has moved on, and returns nil"},
	{keyGoneAtEnd, "a key that was accepted changes nothing after the step has moved on, and returns nil"},
	{keyAfterSession, "a key that was accepted changes nothing after the session has ended, and returns nil"},
	{keyOfSession, "the same key to another step is a submission of its own"},
	{keyOfAll, "the same key in another session is a submission of its own"},
	{sessionMade, "a submission to an unknown session is refused with ErrSessionNotFound"},
	{sessionPlainError, "a submission to an unknown session is refused with ErrSessionNotFound"},
	{sessionAnyState, "a submission to a session that has ended is refused with ErrSessionNotOpen, and changes nothing"},
	{stepMade, "a submission to an unknown step is refused with ErrStepNotFound, and changes nothing"},
	{stepIsSession, "a submission to an unknown step is refused with ErrStepNotFound, and changes nothing"},
	{stepAnyState, "a submission to a step that has not begun is refused with ErrStepNotInProgress, and changes nothing"},
	{keyBeforeChecks, "a submission to a step that has not begun is refused with ErrStepNotInProgress, and changes nothing"},
	{refusalMarks, "a submission to a step that has not begun is refused with ErrStepNotInProgress, and changes nothing"},
	{refusalAccepted, "a submission to a step that has not begun is refused with ErrStepNotInProgress, and changes nothing"},
	{notValidated, "a submission that Validate refuses is refused with its sentinel, and changes nothing"},
	{foldsCase, "keys that differ only in case are different"},
	{trimsSpace, "keys that differ only in spaces around them are different"},
	{truncates, "keys that differ only in the last of 255 bytes are different"},
	{normalizes, "keys that differ only in Unicode normalization and look-alikes are different"},
	{basicPlaneOnly, "keys that differ only in characters outside of the basic plane are different"},
	{numeric, "keys that differ only in how a number is written are different"},
	{unescapes, "keys that differ only in characters that SQL treats specially are different"},
	{foldsSessions, "IDs of sessions that differ only in case, spaces or form are different"},
	{foldsSteps, "names of steps that differ only in case, spaces or form are different"},
	{cancelledDone, "a submission under a cancelled context is accepted or changes nothing, and is not refused"},
	{cancelledRefused, "a submission under a cancelled context is accepted or changes nothing, and is not refused"},
	{cutHalfway, "submissions that are cancelled midway do all or nothing"},
	{checksThenActs, "of concurrent submissions with one key one is applied, and all return nil"},
	{raceIsError, "of concurrent submissions with one key one is applied, and all return nil"},
	{updatesLost, "of concurrent submissions with different keys none is lost"},
	{approvalLost, "steps that are completed at once leave what they leave one after the other"},
	{stateStale, "verdicts at once leave what they leave one after the other"},
	{txDropped, "a submission in a transaction is there after the commit"},
	{txIgnored, "a submission in a transaction that is rolled back changes nothing, and its key is free"},
	{txCommitted, "a submission in a transaction that is rolled back changes nothing, and its key is free"},
	{txKeyInMemory, "a submission in a transaction that is rolled back changes nothing, and its key is free"},
	{txKeyUnseen, "a key that was accepted in the same transaction changes nothing, and returns nil"},
	{txWritesFirst, "a refusal in a transaction that is committed changes nothing"},
	{txRefusalEnds, "a refusal leaves the transaction to its caller"},
	{txRaces, "of concurrent transactions with one key one is applied, and all return nil"},
}
