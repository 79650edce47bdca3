package preset

import (
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

const day = 24 * time.Hour

// read is when those sources were read that carry no date of their own.
const read = "2026-11"

// restated is the source of what was read in an account of the sender's page.
const restated = "webhook-co (2026-08-05) or Hookdeck, restating its page"

// skill is an account of a sender's page that Hookdeck gives to agents.
func skill(name string) string {
	return "hookdeck/webhook-skills, " + name + "-webhooks, restating its page"
}

// vector is a published delivery that the tests of this package verify.
func vector(where string) hmacverify.Fact {
	return hmacverify.Fact{About: "signature", Source: hmacverify.SourceVector, Where: where, Read: read}
}

// registry is the public registry from which a scheme was taken whose own page
// was not read.
func registry() hmacverify.Fact {
	return hmacverify.Fact{About: "signature", Source: hmacverify.SourceRegistry, Where: "webhook-co's registry of providers", Read: read}
}

// docs is the sender's own page; about is [hmacverify.Fact.About].
func docs(about, where string) hmacverify.Fact {
	return hmacverify.Fact{About: about, Source: hmacverify.SourceDocs, Where: where, Read: read}
}

// code is the sender's own code, or its staff on it.
func code(about, where string) hmacverify.Fact {
	return hmacverify.Fact{About: about, Source: hmacverify.SourceCode, Where: where, Read: read}
}

// copied is a copy of the sender's page, or an account of it.
func copied(about, where string) hmacverify.Fact {
	return hmacverify.Fact{About: about, Source: hmacverify.SourceCopy, Where: where, Read: read}
}

// hearsay is a user's report, or another third party's.
func hearsay(about, where string) hmacverify.Fact {
	return hmacverify.Fact{About: about, Source: hmacverify.SourceHearsay, Where: where, Read: read}
}

// unconfirmed is what no source was found for.
func unconfirmed(about string) hmacverify.Fact {
	return hearsay(about, "unconfirmed: general knowledge")
}

// byWording is a page that says that the time is that of sending, and does not
// mention retries.
func byWording(where string) hmacverify.Fact {
	return docs("retry time", where+", by its wording: it does not mention retries")
}

// dated gives a fact the date of its page.
func dated(date string, f hmacverify.Fact) hmacverify.Fact {
	f.Read = date
	return f
}

// bodyDiffers is a caution about senders whose retries repeat the ID and not the
// body: a check that equal IDs have equal bodies would refuse every retry.
const bodyDiffers = "A retry has the same ID and another body"
