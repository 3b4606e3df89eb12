package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"foundry/pkg/message"
)

// A User is a program that may connect.
type User struct {
	NKey string // public
	Role Role
}

// Role says what a user may do. Every role may look messages up, keep values, logs and artifacts,
// take messages of endpoints, list bots and stop them, and be listed and stopped.
//
// It keeps honest programs apart and is no replacement for signatures: who may make consumers can
// have the server repeat kept bytes on a subject of their choice. Nobody believes those.
type Role struct {
	All     bool            // everything; the fields below do not matter
	Publish []message.Topic // topics it may publish on
}

// responseTime is how long a bot may take to answer a question.
const responseTime = time.Minute

// permissions are what a role comes to for a user.
func (r Role) permissions(public string) (*server.Permissions, error) {
	if r.All {
		return nil, nil
	}
	publish := []string{
		"$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET." + streamMain,
		// logs
		subjectLogs + ".>",
		// values
		"$KV." + bucketValues + ".>", "$JS.API.DIRECT.GET.KV_" + bucketValues + ".>", "$JS.API.STREAM.MSG.GET.KV_" + bucketValues,
		// artifacts
		"$O." + bucketObjects + ".>", "$JS.API.DIRECT.GET.OBJ_" + bucketObjects, "$JS.API.DIRECT.GET.OBJ_" + bucketObjects + ".>",
		"$JS.API.STREAM.MSG.GET.OBJ_" + bucketObjects, "$JS.API.STREAM.MSG.DELETE.OBJ_" + bucketObjects,
		"$JS.API.STREAM.PURGE.OBJ_" + bucketObjects,
		"$JS.API.CONSUMER.*.OBJ_" + bucketObjects + ".>", "$JS.API.CONSUMER.MSG.NEXT.OBJ_" + bucketObjects + ".*",
		"$JS.API.CONSUMER.CREATE.OBJ_" + bucketObjects,
		// tailing, and making the own endpoint
		"$JS.API.CONSUMER.CREATE." + streamMain, "$JS.API.CONSUMER.CREATE." + streamMain + ".>",
		"$JS.API.CONSUMER.DELETE." + streamMain + ".*",
	}
	publish = append(publish,
		// asking who is there, and telling one to stop, which it does for a signature only
		"$SRV.STATS", "$SRV.STATS.>", subjectControl+".*")
	for _, topic := range r.Publish {
		if !isToken(string(topic)) {
			return nil, fmt.Errorf("publish on %q: not a topic", topic)
		}
		publish = append(publish, subjectTopics+"."+string(topic)+".>")
	}
	publish = append(publish,
		// any consumer's: the names of those that tail are made by the server
		"$JS.API.CONSUMER.INFO."+streamMain+".*", "$JS.API.CONSUMER.MSG.NEXT."+streamMain+".*",
		// both forms: with only the first, renewing a lease seems to work and does nothing
		"$JS.ACK."+streamMain+".>", "$JS.ACK.*.*."+streamMain+".>")
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: []string{
			inboxPrefix(public) + ".>", "$SRV.>", subjectControl + ".*",
		}},
		Response: &server.ResponsePermission{MaxMsgs: 1, Expires: responseTime},
	}, nil
}

// bucketObjects is the artifact store's bucket, see package objectstore.
const bucketObjects = "FOUNDRY"

// nkeyUsers turns users into the server's.
func nkeyUsers(users []User) ([]*server.NkeyUser, error) {
	if len(users) == 0 {
		return nil, fmt.Errorf("nobody may connect: no users")
	}
	var out []*server.NkeyUser
	for _, u := range users {
		if !nkeys.IsValidPublicUserKey(u.NKey) {
			return nil, fmt.Errorf("user %q: not the public nkey of a user", u.NKey)
		}
		permissions, err := u.Role.permissions(u.NKey)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", u.NKey, err)
		}
		out = append(out, &server.NkeyUser{Nkey: u.NKey, Permissions: permissions})
	}
	return out, nil
}
