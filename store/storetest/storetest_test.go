package storetest_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/storetest"
)

// caughtBy names, for each flaw, the check that is there to catch it. Others may
// catch it too.
var caughtBy = []struct {
	flaw  flaw
	check string
}{
	{claimChecksThenActs, "of concurrent claims of a free key exactly one wins"},
	{reclaimChecksThenActs, "of concurrent claims of a released key exactly one wins"},
	{stealChecksThenActs, "of concurrent claims of a key whose lease has expired exactly one wins"},
	{claimsThoughCancelled, "a claim under a cancelled context either wins or leaves the key free"},
	{busyIsError, "claims of different keys do not stand in each other's way"},
	{claimCutOff, "claims that are cancelled midway leave whole records"},
	{cancelledIsLost, "complete under a cancelled context is done or not, and does not report a lost lease"},
	{loserSeesNothing, "a claim of a claimed key loses and reads the record in the way"},
	{loserSeesItself, "a claim of a claimed key loses and reads the record in the way"},
	{loserRenews, "a lease expires when its time has passed"},
	{loserFrees, "a claim of a claimed key loses and reads the record in the way"},
	{attemptsFromZero, "a claim of a new key wins with token 1 and attempt 1"},
	{tokenStands, "token and attempts grow by one with every claim"},
	{fencedByOwnerOnly, "complete with a later token reports a lost lease and changes nothing"},
	{fencedByTokenOnly, "complete with another owner reports a lost lease and changes nothing"},
	{fencedByOlderToken, "complete with an earlier token reports a lost lease and changes nothing"},
	{fencedForFirstOnly, "the thief of a key can renew, complete and release"},
	{unfencedRenew, "renew after another has stolen the key reports a lost lease and changes nothing"},
	{unfencedComplete, "complete after another has stolen the key reports a lost lease and changes nothing"},
	{unfencedRelease, "release after another has stolen the key reports a lost lease and changes nothing"},
	{renewAnyState, "renew after the event is dead reports a lost lease and changes nothing"},
	{completeAnyState, "complete after the event is dead reports a lost lease and changes nothing"},
	{releaseAnyState, "release after the event is done reports a lost lease and changes nothing"},
	{resultNotAdded, "complete by the owner that has completed adds a result if there is none"},
	{releaseOnlyOnce, "release by the owner that has released changes nothing and reports no error"},
	{releasedAgain, "release by the owner that has released changes nothing and reports no error"},
	{burstCounts, "claims within AttemptInterval of a failure do not count"},
	{neverCounts, "a claim after AttemptInterval counts"},
	{crashesClose, "a claim of an expired lease counts within AttemptInterval"},
	{uncountIgnored, "an uncounted release takes the attempt back"},
	{renewRaces, "of a late renew and a claim at the same time exactly one succeeds"},
	{completeRaces, "of a late complete and a claim at the same time exactly one succeeds"},
	{releaseRaces, "of a late release and a claim at the same time exactly one succeeds"},
	{actMakesRecord, "complete of an unclaimed key reports a lost lease and creates no record"},
	{completeOnlyOnce, "complete by the owner that has completed changes nothing and reports no error"},
	{doneIsLost, "renew by the owner that has completed changes nothing and reports no error"},
	{resultOverwritten, "complete by the owner that has completed changes nothing and reports no error"},
	{leaseNeverEnds, "a lease expires when its time has passed"},
	{leaseEndsEarly, "a lease does not expire early"},
	{leaseCutToSeconds, "a lease does not expire early"},
	{leaseRoundedToSeconds, "LeaseLeft is the rest of the lease, by the store's own clock"},
	{clockInZone, "LeaseLeft is the rest of the lease, by the store's own clock"},
	{leaseLeftUnknown, "LeaseLeft is the rest of the lease, by the store's own clock"},
	{clockFrozen, "LeaseLeft shrinks as time passes"},
	{stealsDone, "a done record stays done after its lease has expired"},
	{neverStolen, "a claim that takes over an expired lease reports Stolen, and no other does"},
	{alwaysStolen, "a claim that takes over an expired lease reports Stolen, and no other does"},
	{renewDoesNothing, "renew makes the lease expire the given time from now"},
	{renewAdds, "renew can make a lease expire sooner"},
	{renewNeverShortens, "renew can make a lease expire sooner"},
	{renewCounts, "renew changes nothing but when the lease expires"},
	{renewNeedsLive, "an expired lease can be renewed if the key was not claimed since"},
	{completeNeedsLive, "an event whose lease has expired can be completed if it was not claimed since"},
	{releaseNeedsLive, "an event whose lease has expired can be released if it was not claimed since"},
	{forgetsOnRelease, "release keeps token, attempts and reason"},
	{releaseWaits, "release frees the key at once"},
	{reasonGoneByClaim, "the reason of the latest failure is kept through claims and completion"},
	{reasonGoneByCompletion, "the reason of the latest failure is kept through claims and completion"},
	{reasonFirst, "the reason of the latest failure is kept through claims and completion"},
	{reasonCut, "reasons are kept exactly, up to MaxReasonBytes"},
	{deadIgnored, "a permanent release makes the event dead, and no claim wins"},
	{deadRises, "a permanent release makes the event dead, and no claim wins"},
	{deadForgetsAttempts, "exactly MaxAttempts claims win, then the released event is dead"},
	{attemptsUnlimited, "exactly MaxAttempts claims win, then the released event is dead"},
	{attemptsOffByOne, "exactly MaxAttempts claims win, then the released event is dead"},
	{attemptsOfCrashes, "attempts that ended in a crash count towards MaxAttempts"},
	{capByDefault, "without MaxAttempts an event may fail any number of times"},
	{liveKilled, "a live claim is not dead, however few attempts a later one allows"},
	{doneKilled, "a done event is not dead, however few attempts a later claim allows"},
	{fingerprintIgnored, "a claim with another fingerprint loses against a record that is released"},
	{fingerprintOnlyWhenDone, "a claim with another fingerprint loses against a record that is claimed with an ended lease"},
	{fingerprintNotWhenReleased, "a claim with another fingerprint loses against a record that is released"},
	{fingerprintNotWhenEnded, "a claim with another fingerprint loses against a record that is claimed with an ended lease"},
	{fingerprintZeroDiffers, "a claim without a fingerprint matches every record"},
	{fingerprintNeverEqual, "a fingerprint that matches changes nothing"},
	{fingerprintDropped, "a claim with another fingerprint loses against a record that is done"},
	{fingerprintOfFirstOnly, "a record without a fingerprint matches every claim and takes the first that wins with one"},
	{fingerprintWiped, "a claim without a fingerprint does not wipe that of the record"},
	{loserFingerprint, "a claim that loses leaves no fingerprint behind"},
	{mismatchKills, "a claim with another fingerprint does not make a record dead"},
	{resultSharedIn, "a kept result shares no memory with that of any caller"},
	{resultSharedOut, "a kept result shares no memory with that of any caller"},
	{resultNeverNil, "a result is returned exactly as it was kept"},
	{resultAlways, "only a done record has a result"},
	{resultAsText, "a result is returned exactly as it was kept"},
	{resultCut, "a result is returned exactly as it was kept"},
	{keyCaseFolded, "keys that differ only in case are different"},
	{keyTruncated, "keys that differ only in the last of 255 bytes are different"},
	{keyTrimmed, "keys that differ only in spaces around them are different"},
	{keyEndsAtNUL, "keys that differ only in NUL bytes are different"},
	{keyNormalized, "keys that differ only in Unicode normalization and look-alikes are different"},
	{keyValidUTF8, "keys that differ only in bytes that are not UTF-8 are different"},
	{keyNumeric, "keys that differ only in how a number is written are different"},
	{keyUnescaped, "keys that differ only in characters that SQL treats specially are different"},
	{keyWithoutScope, "keys that differ only in scope alone or ID alone are different"},
	{keyWithoutID, "keys that differ only in scope alone or ID alone are different"},
	{keyJoined, "keys that differ only in the boundary of scope and ID are different"},
	{keyJoinedByColon, "keys that differ only in the boundary of scope and ID are different"},
	{purgesClaimed, "a purge deletes no record within its retention, whatever its state"},
	{purgesEnded, "a purge deletes no record within its retention, whatever its state"},
	{purgesDone, "a purge deletes no record within its retention, whatever its state"},
	{purgesFailed, "a purge deletes no record within its retention, whatever its state"},
}

// A store that keeps the contract passes, so what is caught below is the flaw.
func TestRun_FlawlessStore(t *testing.T) {
	t.Parallel()
	got := storetest.Failures(t, func() lease.Store { return newFlawed(none) })
	if diff := cmp.Diff(map[string]string{}, got); diff != "" {
		t.Errorf("failures of a store without a flaw (-want +got):\n%s", diff)
	}
	storetest.RunInBubble(t, func(*testing.T) lease.Store { return newFlawed(none) })
}

func TestRun_EveryFlawIsCaught(t *testing.T) {
	var mu sync.Mutex
	catches := map[string]int{}
	t.Run("store", func(t *testing.T) {
		for _, tt := range caughtBy {
			t.Run(string(tt.flaw), func(t *testing.T) {
				t.Parallel()
				failures := storetest.Failures(t, func() lease.Store { return newFlawed(tt.flaw) })
				said, caught := failures[tt.check]
				if !caught {
					t.Errorf("not caught by the check %q; by others: %q", tt.check, failures)
				}
				t.Logf("caught by %d checks; %s: %s", len(failures), tt.check, said)
				mu.Lock()
				defer mu.Unlock()
				for name := range failures {
					catches[name]++
				}
			})
		}
	})
	for _, name := range storetest.CheckNames() {
		if catches[name] == 0 {
			t.Errorf("the check %q has caught nothing: it may not be able to fail", name)
		}
	}
}

// TestVictim is what TestRun_SaysWhy runs.
func TestVictim(t *testing.T) {
	f := flaw(os.Getenv("STORETEST_FLAW"))
	if f == none {
		t.Skip("runs in a process of its own")
	}
	run := storetest.Run
	if os.Getenv("STORETEST_BUBBLE") != "" {
		run = storetest.RunInBubble
	}
	run(t, func(*testing.T) lease.Store { return newFlawed(f) })
}

func TestRun_SaysWhy(t *testing.T) {
	t.Parallel()
	for _, bubble := range []string{"", "yes"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$/release", "-test.v")
		cmd.Env = append(os.Environ(), "STORETEST_FLAW="+string(forgetsOnRelease), "STORETEST_BUBBLE="+bubble)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("bubble %q: a flawed store passes:\n%s", bubble, out)
		}
		for _, want := range []string{
			"--- FAIL: TestVictim/release_keeps_token,_attempts_and_reason",
			"why it matters: A release that deletes forgets how often an event has failed",
			"--- PASS: TestVictim/release_frees_the_key_at_once",
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("bubble %q: the output lacks %q:\n%s", bubble, want, out)
			}
		}
	}
}
