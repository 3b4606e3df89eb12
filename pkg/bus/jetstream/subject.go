package jetstream

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// Prefixes of subjects.
const (
	subjectTopics  = "foundry.topic"
	subjectLogs    = "foundry.log"
	subjectControl = "foundry.control"
)

// Headers of a message.
const (
	headerSignature = "Foundry-Signature" // base64 of the detached signature
	headerKey       = "Foundry-Key"       // fingerprint of the key that signed
)

// subjectOf is where raw is kept.
func subjectOf(raw bus.Raw) (string, error) {
	for _, part := range []struct{ what, token string }{
		{"topic", string(raw.Topic)}, {"key", raw.Key}, {"id", string(raw.ID)},
	} {
		if !isToken(part.token) {
			return "", fmt.Errorf("%s %q: not fit for a subject", part.what, part.token)
		}
	}
	return subjectTopics + "." + string(raw.Topic) + "." + raw.Key + "." + string(raw.ID), nil
}

// isToken tells whether s can be one part of a subject, without being a wildcard or several parts.
func isToken(s string) bool { return s != "" && s == message.SafeKey(s) }

// toMsg puts raw into the form it travels in.
func toMsg(subject string, raw bus.Raw) *nats.Msg {
	return &nats.Msg{
		Subject: subject,
		Data:    raw.Payload,
		Header: nats.Header{
			headerSignature: {base64.StdEncoding.EncodeToString(raw.Signature)},
			headerKey:       {raw.Signer},
			nats.MsgIdHdr:   {string(raw.ID)},
		},
	}
}

// fromMsg takes a message as it came. Whatever is wrong with subject or headers leaves the fields
// empty, so that the message is refused where all are: when it is opened.
func fromMsg(subject string, header nats.Header, data []byte) bus.Raw {
	raw := bus.Raw{Subject: subject, Payload: data, Signer: header.Get(headerKey)}
	if signature, err := base64.StdEncoding.DecodeString(header.Get(headerSignature)); err == nil {
		raw.Signature = signature
	}
	tokens := strings.Split(strings.TrimPrefix(subject, subjectTopics+"."), ".")
	raw.Topic = message.Topic(tokens[0])
	if len(tokens) == 3 {
		raw.Key, raw.ID = tokens[1], message.ID(tokens[2])
	}
	return raw
}

// stored adds where and when a message was kept.
func stored(raw bus.Raw, sequence uint64, at time.Time) bus.Raw {
	raw.Sequence, raw.Stored = sequence, at
	return raw
}
