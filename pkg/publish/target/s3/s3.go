// Package s3 is a target in object storage that speaks the protocol of Amazon S3.
//
// Each file is one object, which clients see whole or not at all. Objects carry their content type, and how long caches may
// keep them: what is named by hash or version for good, all else not without asking.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/publish/headers"
	"foundry/pkg/publish/target"
)

// atOnce is how many objects are sent at a time.
const atOnce = 8

// roleTimeout is how long the machine may take to say its role, which only some have.
const roleTimeout = 5 * time.Second

// Target is a bucket, or the part of one below a prefix.
type Target struct {
	client *minio.Client
	bucket string
	prefix string // with a slash at its end, or empty
	name   string
}

var _ target.Target = (*Target)(nil)

// Open opens the target of s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME&path-style=BOOL]. Without an endpoint it is
// Amazon's. Credentials come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the MINIO_ names),
// from ~/.aws/credentials, or from the machine's role.
func Open(spec *url.URL) (*Target, error) {
	query := spec.Query()
	endpoint, err := url.Parse(query.Get("endpoint"))
	if err != nil {
		return nil, err
	}
	if endpoint.Host == "" {
		if endpoint.Path != "" {
			return nil, fmt.Errorf("endpoint %q: not a URL such as https://s3.example.org", query.Get("endpoint"))
		}
		endpoint = &url.URL{Scheme: "https", Host: "s3.amazonaws.com"}
	}
	for name := range query {
		if name != "endpoint" && name != "region" && name != "path-style" {
			return nil, fmt.Errorf("unknown option %q: endpoint, region and path-style are known", name)
		}
	}
	lookup := minio.BucketLookupAuto
	if text := query.Get("path-style"); text != "" {
		on, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("path-style %q: not true or false", text)
		}
		if lookup = minio.BucketLookupDNS; on {
			lookup = minio.BucketLookupPath
		}
	}
	if spec.Host == "" {
		return nil, errors.New("no bucket")
	}
	if spec.User != nil || endpoint.User != nil {
		return nil, &hinted{errors.New("credentials stand in the URL"), "give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Secure: endpoint.Scheme != "http", Region: query.Get("region"), BucketLookup: lookup,
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: roleTimeout}},
		}),
	})
	if err != nil {
		return nil, err
	}
	t := &Target{client: client, bucket: spec.Host, prefix: strings.Trim(spec.Path, "/"), name: "s3://" + spec.Host + spec.Path}
	if t.prefix != "" {
		t.prefix += "/"
	}
	return t, nil
}

// String is the target without its options.
func (t *Target) String() string { return t.name }

// Put sends files, several at a time; large ones in parts.
func (t *Target) Put(ctx context.Context, files []target.File) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, f := range files {
		group.Go(func() error {
			_, err := t.client.FPutObject(ctx, t.bucket, t.prefix+f.Name, f.Path, minio.PutObjectOptions{
				ContentType: headers.ContentType(f.Name), CacheControl: headers.CacheControl(f.Name),
			})
			if err != nil {
				return explain(fmt.Errorf("send %s: %w", f.Name, err))
			}
			return nil
		})
	}
	return group.Wait()
}

// Remove removes objects.
func (t *Target) Remove(ctx context.Context, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, name := range names {
		group.Go(func() error {
			if err := t.client.RemoveObject(ctx, t.bucket, t.prefix+name, minio.RemoveObjectOptions{}); err != nil {
				return explain(fmt.Errorf("remove %s: %w", name, err))
			}
			return nil
		})
	}
	return group.Wait()
}

// List asks for all objects below the prefix.
func (t *Target) List(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing, also after an error
	there := map[string]int64{}
	for o := range t.client.ListObjects(ctx, t.bucket, minio.ListObjectsOptions{Prefix: t.prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, explain(fmt.Errorf("list objects: %w", o.Err))
		}
		there[strings.TrimPrefix(o.Key, t.prefix)] = o.Size
	}
	return there, nil
}

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

// explain adds what to do about an error of the storage.
func explain(err error) error {
	var answer minio.ErrorResponse
	hint := "see whether the endpoint can be reached"
	if errors.As(err, &answer) {
		switch answer.Code {
		case "NoSuchBucket":
			hint = "make the bucket, or name another"
		case minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch":
			hint = "see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; they need to list, get, put and delete objects"
		case "EntityTooLarge", "QuotaExceeded", "XMinioStorageFull":
			hint = "make room in the bucket"
		default:
			hint = "the storage says: " + path.Clean(answer.Code)
		}
	}
	return &hinted{err, hint}
}
