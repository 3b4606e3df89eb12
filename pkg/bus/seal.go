package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"foundry/pkg/message"
	"foundry/pkg/trust"
	"foundry/schemas"
)

// clockSkew is how far ahead of this host's clock a message's time may be.
const clockSkew = 5 * time.Minute

// controlAge is how old a control message may be.
const controlAge = time.Minute

// RejectError says why a message was not believed.
type RejectError struct{ Reason string }

func (e *RejectError) Error() string { return "reject message: " + e.Reason }

// Reason is why a message was not believed, without the words that every such error begins with.
func Reason(err error) string {
	var reject *RejectError
	if errors.As(err, &reject) {
		return reject.Reason
	}
	return err.Error()
}

// Sealer signs what a bot says and checks what it hears. It may be used concurrently.
type Sealer struct {
	Key    *trust.Key    // the bot's own message key; nil for one that only listens
	Topics *trust.Topics // who may speak on which topic

	controls replays
}

// Seal encodes, checks and signs m.
func (s *Sealer) Seal(m *message.Message) (Raw, error) {
	if s.Key == nil {
		return Raw{}, fmt.Errorf("sign %s message %s: no message key", m.Type, m.ID)
	}
	payload, err := m.Encode()
	if err != nil {
		return Raw{}, err
	}
	if err := schemas.Validate(payload); err != nil {
		return Raw{}, fmt.Errorf("check %s message %s: %w", m.Type, m.ID, err)
	}
	body, err := m.Body()
	if err != nil {
		return Raw{}, err
	}
	signature, err := s.Key.Sign(payload)
	if err != nil {
		return Raw{}, fmt.Errorf("sign %s message %s: %w", m.Type, m.ID, err)
	}
	return Raw{
		Topic: m.Topic, Key: message.SafeKey(body.SubjectKey()), ID: m.ID,
		Payload: payload, Signature: signature, Signer: s.Key.Fingerprint(),
	}, nil
}

// Open checks raw, in this order: size, signature, key allowed on the topic, schema, subject
// agrees with payload, age, and of a control message that it was not opened before. What fails
// any check is a *RejectError and is not returned. Any other error is about this host, such as a
// keyring that cannot be read, and says nothing about the message.
func (s *Sealer) Open(raw Raw) (*message.Message, message.Body, error) {
	if len(raw.Payload) > message.MaxSize {
		return nil, nil, &RejectError{fmt.Sprintf("payload of %d bytes is larger than %d", len(raw.Payload), message.MaxSize)}
	}
	if len(raw.Signature) == 0 {
		return nil, nil, &RejectError{"no signature"}
	}
	err := s.Topics.Verify(string(raw.Topic), raw.Payload, raw.Signature, raw.Signer)
	if untrusted := new(trust.UntrustedError); errors.As(err, &untrusted) {
		return nil, nil, &RejectError{untrusted.Reason}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("verify message: %w", err)
	}
	if err := schemas.Validate(raw.Payload); err != nil {
		return nil, nil, &RejectError{"schema: " + err.Error()}
	}
	m := new(message.Message)
	if err := json.Unmarshal(raw.Payload, m); err != nil {
		return nil, nil, &RejectError{"payload: " + err.Error()}
	}
	body, err := m.Body()
	if err != nil {
		return nil, nil, &RejectError{err.Error()}
	}
	if err := agrees(raw, m, body); err != nil {
		return nil, nil, &RejectError{err.Error()}
	}
	if m.Topic == message.ControlTopic && !s.controls.first(m.ID, time.Now()) {
		return nil, nil, &RejectError{"control message was heard before"}
	}
	return m, body, nil
}

// agrees tells whether the subject that raw came by is the one its payload belongs on, and
// whether its age allows it to be acted on.
func agrees(raw Raw, m *message.Message, body message.Body) error {
	switch {
	case m.Topic != raw.Topic:
		return errors.New("topic of subject and payload differ")
	case m.ID != raw.ID:
		return errors.New("id of subject and payload differ")
	case message.SafeKey(body.SubjectKey()) != raw.Key:
		return errors.New("key of subject and payload differ")
	}
	age := time.Since(m.Time)
	oldest := message.MaxAge
	if m.Topic == message.ControlTopic {
		oldest = controlAge
	}
	switch {
	case age > oldest:
		return fmt.Errorf("said %s ago, more than %s", age.Round(time.Second), oldest)
	case age < -clockSkew:
		return fmt.Errorf("said %s in the future", (-age).Round(time.Second))
	}
	return nil
}
