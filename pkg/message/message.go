// Package message is what foundry's bots say to each other: the envelope that every message
// shares, one struct for each type of content, and the rules by which ids, contexts and subjects
// are made.
//
// A message is JSON. Its bytes are made once, signed, and never made again: whoever forwards or
// verifies a message handles the bytes, whoever reads it handles the struct. Nothing in this
// package knows how messages travel or who may say what; see foundry/pkg/bus and
// foundry/pkg/trust.
package message

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the envelope that this program writes and reads.
const Version = 1

// MaxSize is the size in bytes of the largest payload that is sent or accepted. Whatever is
// larger belongs in an artifact.
const MaxSize = 256 << 10

// A Topic is one of the lists on which messages are published; a bot watches one and publishes
// on another.
type Topic string

// The topics, in the order of the pipeline, then those that any bot may publish on.
const (
	Commits      Topic = "commits"
	Sources      Topic = "sources"
	Provisions   Topic = "provisions"
	Builds       Topic = "builds"
	Signs        Topic = "signs"
	Dists        Topic = "dists"
	Tests        Topic = "tests"
	Failures     Topic = "failures"
	Rejects      Topic = "rejects"
	ControlTopic Topic = "control"
)

// Topics lists every topic that is kept, in the order of the pipeline.
func Topics() []Topic {
	return []Topic{Commits, Sources, Provisions, Builds, Tests, Signs, Dists, Failures, Rejects}
}

// A Type says which struct the data of a message is.
type Type string

// The types; each has a schema of the same name in foundry/schemas.
const (
	TypeCommit    Type = "commit"
	TypeSource    Type = "source"
	TypeProvision Type = "provision"
	TypeBuild     Type = "build"
	TypeSign      Type = "sign"
	TypeDist      Type = "dist"
	TypeTest      Type = "test"
	TypeFailure   Type = "failure"
	TypeReject    Type = "reject"
	TypeControl   Type = "control"
)

// Types lists every type.
func Types() []Type {
	return []Type{
		TypeCommit, TypeSource, TypeProvision, TypeBuild, TypeSign,
		TypeDist, TypeTest, TypeFailure, TypeReject, TypeControl,
	}
}

// A Bot names the sender of a message.
type Bot struct {
	Name     string `json:"name"`     // program, "buildbot"
	Instance string `json:"instance"` // unique to one run of the program, "buildbot-3f2a91"
	Host     string `json:"host"`
	Endpoint string `json:"endpoint"` // load-balancing group, "pub/buildbot_amd64"
	Version  string `json:"version"`  // of the program
}

// A Message is one envelope. Two messages with the same ID say the same thing.
type Message struct {
	Version int             `json:"version"`
	Type    Type            `json:"type"`
	Topic   Topic           `json:"topic"`
	ID      ID              `json:"id"`
	Context string          `json:"context"`          // the transaction, "hello-20261120-231501-9f3c2a"
	Parent  ID              `json:"parent,omitempty"` // the message that this one answers
	Time    time.Time       `json:"time"`             // when it was said, UTC
	Bot     Bot             `json:"bot"`
	Data    json.RawMessage `json:"data"` // the Body
}

// A Body is the content of a message: one struct for each type.
type Body interface {
	Type() Type
	// SubjectKey is what the subject is filtered by: the architecture of provisions, builds and signs,
	// the codename of dists, the source package or repository name elsewhere; not yet made safe.
	SubjectKey() string
}

// Encode returns the bytes of m: one line of JSON, without a final newline.
func (m *Message) Encode() ([]byte, error) {
	payload, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s message %s: %w", m.Type, m.ID, err)
	}
	if len(payload) > MaxSize {
		return nil, fmt.Errorf("encode %s message %s: %d bytes, more than %d", m.Type, m.ID, len(payload), MaxSize)
	}
	return payload, nil
}

// Body returns the content of m as a pointer to the struct of its type.
func (m *Message) Body() (Body, error) {
	var body Body
	switch m.Type {
	case TypeCommit:
		body = new(Commit)
	case TypeSource:
		body = new(Source)
	case TypeProvision:
		body = new(Provision)
	case TypeBuild:
		body = new(Build)
	case TypeSign:
		body = new(Sign)
	case TypeDist:
		body = new(Dist)
	case TypeTest:
		body = new(Test)
	case TypeFailure:
		body = new(Failure)
	case TypeReject:
		body = new(Reject)
	case TypeControl:
		body = new(Control)
	default:
		return nil, fmt.Errorf("decode message %s: unknown type %q", m.ID, m.Type)
	}
	if err := json.Unmarshal(m.Data, body); err != nil {
		return nil, fmt.Errorf("decode %s message %s: %w", m.Type, m.ID, err)
	}
	return body, nil
}

// New makes the message with which bot answers parent (empty for a message that begins a
// transaction, whose context is then given by body, see Commit) on topic. siblings tell apart
// the several answers to one parent, such as architecture or codename. Foreign text in body, such
// as the reason of a failure, is made fit by Line; body itself stays as it is.
func New(bot Bot, topic Topic, context string, parent ID, body Body, siblings ...string) (*Message, error) {
	data, err := json.Marshal(tidied(body))
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", body.Type(), err)
	}
	return &Message{
		Version: Version,
		Type:    body.Type(),
		Topic:   topic,
		ID:      MakeID(topic, body.Type(), parent, siblings...),
		Context: context,
		Parent:  parent,
		Time:    time.Now().UTC(),
		Bot:     bot,
		Data:    data,
	}, nil
}
