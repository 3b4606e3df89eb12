package podman

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/apt"
	"foundry/pkg/environment/podman/container"
	"foundry/pkg/environment/podman/index"
	"foundry/pkg/message"
)

// Provision implements environment.Provisioner.
func (e *Engine) Provision(ctx context.Context, request environment.Request, log io.Writer) (message.Image, error) {
	if log == nil {
		log = io.Discard
	}
	p, err := e.plan(ctx, request)
	if err != nil {
		return message.Image{}, err
	}
	if image, found := e.answer(p.key); found {
		fmt.Fprintf(log, "reusing environment %s: no source list has changed\n", image.Key)
		return image, nil
	}
	if image, found := e.nearAnswer(p); found {
		fmt.Fprintf(log, "reusing environment %s: nothing that has a bearing on it has changed\n", image.Key)
		return image, e.index.Save(answers, p.key, image)
	}
	unlock, err := e.index.Lock(ctx, "answer-"+p.key)
	if err != nil {
		return message.Image{}, err
	}
	defer unlock()
	if image, found := e.answer(p.key); found {
		fmt.Fprintf(log, "reusing environment %s, made a moment ago\n", image.Key)
		return image, nil
	}
	base, release, err := e.base(ctx, p, log)
	if err != nil {
		return message.Image{}, err
	}
	defer release()
	defer e.wake()
	return e.install(ctx, p, base, log)
}

// answer is the image that was the answer to a request, if it is there still.
func (e *Engine) answer(key string) (message.Image, bool) {
	var image message.Image
	return image, e.index.Load(answers, key, &image) && e.promise(image.ID)
}

//go:embed install.sh
var installScript string

// An installation is an instance of a base that becomes an environment.
type installation struct {
	*container.Instance
	engine  *Engine
	plan    *plan
	base    *base
	log     io.Writer
	folder  string // its /in and /out are below
	stage   string
	planned []string
	image   *message.Image // set when the environment was there already
	unlock  func()
}

// install resolves the build dependencies with apt and installs them, unless there is an image
// with exactly those packages already.
func (e *Engine) install(ctx context.Context, p *plan, base *base, log io.Writer) (message.Image, error) {
	folder, err := e.podman.MakeTemp("install-")
	if err != nil {
		return message.Image{}, err
	}
	defer os.RemoveAll(folder)
	volumes, release, err := e.aptVolumes(p)
	if err != nil {
		return message.Image{}, err
	}
	defer release()
	mounts, err := p.mounts(folder)
	if err != nil {
		return message.Image{}, err
	}
	current := currentKey(p, base)
	if !e.when(upToDate, current).IsZero() {
		if err := writeOpen(filepath.Join(folder, "in", "current"), []byte(p.hashes())); err != nil {
			return message.Image{}, err
		}
	}
	i := &installation{engine: e, plan: p, base: base, log: log, folder: folder, unlock: func() {}}
	defer func() { i.unlock() }()
	if i.Instance, err = e.podman.Install(ctx, container.Installation{
		Image: base.ID, Options: slices.Concat(volumes, mounts), Script: installScript, Log: log,
	}); err != nil {
		return message.Image{}, err
	}
	defer i.Close()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := e.podman.Remove(ctx, i.Name()); err != nil {
			fmt.Fprintf(log, "note: %v\n", err)
		}
	}()
	status, err := i.follow(ctx)
	if err != nil {
		return message.Image{}, err
	}
	if said, err := i.read("current"); err == nil && said == p.hashes() {
		if err := e.mark(upToDate, current); err != nil {
			return message.Image{}, err
		}
	}
	if i.image != nil {
		return *i.image, i.remember(*i.image)
	}
	if status != 0 {
		return message.Image{}, i.failed(status)
	}
	image, err := i.commit(ctx)
	if err != nil {
		return message.Image{}, err
	}
	return image, i.remember(image)
}

// currentKey names a base and Release files. A base that is up to date with them once stays so.
func currentKey(p *plan, base *base) string { return index.Digest(base.ID, p.listsKey, p.hashes()) }

// mounts makes the folders that an installation sees, and the options that show them to it.
func (p *plan) mounts(folder string) (options []string, err error) {
	in, out := filepath.Join(folder, "in"), filepath.Join(folder, "out")
	for _, dir := range []string{in, out} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
	}
	mounts, err := p.writeInputs(in)
	if err != nil {
		return nil, err
	}
	mounts["/in"] = in
	if _, err := os.Stat(certificates); err == nil {
		mounts["/run/foundry/certificates"] = certificates
	}
	for _, target := range slices.Sorted(maps.Keys(mounts)) {
		option, err := container.Mount(mounts[target], target, false)
		if err != nil {
			return nil, err
		}
		options = append(options, option)
	}
	option, err := container.Mount(out, "/out", true)
	return append(options, option), err
}

// The names of the volumes that keep what apt has downloaded: lists and packages by the key of the
// lists.
const (
	aptVolume = container.AptVolume
	aptLists  = "lists-"
	aptCache  = "cache-"
)

// aptLock is held by who uses such volumes.
func aptLock(key string) string { return "apt-" + key }

// aptVolumes are the options that keep what apt downloads out of the image: in volumes that
// requests with the same sources use one after the other or, while another does, in ones that are
// thrown away.
func (e *Engine) aptVolumes(p *plan) (options []string, release func(), err error) {
	lists, cache := "", ""
	unlock, free, err := e.index.TryLock(aptLock(p.listsKey))
	if err != nil {
		return nil, nil, err
	}
	if free {
		lists, cache = aptVolume+aptLists+p.listsKey+":", aptVolume+aptCache+p.listsKey+":"
		if err := e.mark(used, aptVolume+p.listsKey); err != nil {
			unlock()
			return nil, nil, err
		}
	}
	return []string{"--volume=" + lists + "/var/lib/apt/lists", "--volume=" + cache + "/var/cache/apt"}, unlock, nil
}

// certificates are the host's, for mirrors that speak https: a base has none.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// follow listens to the script until it ends and returns its status.
func (i *installation) follow(ctx context.Context) (int, error) {
	stop := context.AfterFunc(ctx, func() { i.End() })
	defer stop()
	status := -1
	var problem error
	for problem == nil {
		event, err := i.Event()
		if err != nil {
			break
		}
		switch word, rest, _ := strings.Cut(event, " "); word {
		case "stage":
			i.stage = rest
		case "resolved":
			problem = i.resolved(ctx)
		case "exit":
			_, problem = fmt.Sscanf(rest, "%d", &status)
		}
	}
	if problem != nil {
		i.End()
	}
	podmanErr, logErr := i.Wait(ctx)
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("install build dependencies: %w", ctx.Err())
	case problem != nil:
		return 0, problem
	case logErr != nil:
		return 0, fmt.Errorf("write log: %w", logErr)
	case status < 0:
		return 0, i.Fault(ctx, podmanErr)
	}
	return status, nil
}

// resolved decides, once apt has told what it would install, whether it is to do so. While it does,
// the lock of the image to be is held.
func (i *installation) resolved(ctx context.Context) error {
	before, err := i.packages("before")
	if err != nil {
		return err
	}
	simulation, err := i.read("plan")
	if err != nil {
		return err
	}
	after, installs := apt.Foresee(before, simulation, i.plan.Architecture)
	i.planned = installs
	key := i.imageKey(after)
	if i.unlock, err = i.engine.index.Lock(ctx, "image-"+key); err != nil {
		i.unlock = func() {}
		return err
	}
	var known message.Image
	order := "install"
	if i.engine.index.Load(images, key, &known) && i.engine.promise(known.ID) {
		fmt.Fprintf(i.log, "reusing environment %s: it has these packages\n", key)
		i.image, order = &known, "stop"
	}
	return i.Order(order)
}

// imageKey is the key of an environment with the given packages.
func (i *installation) imageKey(packages []string) string {
	return index.Digest(format, "environment", installScript, i.base.Key, strings.Join(packages, "\n"))
}

// failed makes an error of the stage in which apt failed.
func (i *installation) failed(status int) error {
	if i.stage == "resolve" {
		said, err := i.read("plan")
		if err != nil {
			return err
		}
		if problem := apt.Unsatisfiable(said); problem != nil {
			available, err := i.read("available")
			if err != nil {
				return err
			}
			problem.Key = i.plan.key
			problem.Absent = apt.Absent(i.plan.Depends, problem.Missing, available)
			return problem
		}
		return fmt.Errorf("resolve build dependencies: apt: %s", apt.LastError(said))
	}
	return fmt.Errorf("%s packages of %s: apt ended with status %d, see the log", i.stage, i.plan.Base.Release, status)
}

// commit makes the image.
func (i *installation) commit(ctx context.Context) (message.Image, error) {
	after, err := i.packages("after")
	if err != nil {
		return message.Image{}, err
	}
	key := i.imageKey(after)
	id, err := i.Commit(ctx, "localhost/foundry/env:"+key)
	if err != nil {
		return message.Image{}, err
	}
	image := message.Image{Key: key, ID: id, Base: i.base.Key, Packages: i.planned}
	if image.Packages == nil {
		image.Packages = []string{}
	}
	fmt.Fprintf(i.log, "made environment %s\n", key)
	said, err := i.read("names")
	if err != nil {
		return message.Image{}, err
	}
	if err := errors.Join(i.engine.index.Save(mentions, key, mention{id, mentioned(said)}), i.engine.index.Save(images, key, image)); err != nil {
		return message.Image{}, err
	}
	if !i.engine.promise(id) {
		return message.Image{}, fmt.Errorf("keep environment %s: %w", key, environment.ErrNoImage)
	}
	return image, nil
}

// remember keeps the answer if apt has seen the same Release files as the plan: a mirror may have
// changed in between.
func (i *installation) remember(image message.Image) error {
	seen, err := i.read("releases")
	if err != nil {
		return err
	}
	for _, r := range i.plan.releases {
		if !slices.Contains(strings.Fields(seen), r.SHA256) {
			return nil
		}
	}
	return errors.Join(i.engine.index.Save(answers, i.plan.key, image), i.engine.rememberNear(i.plan, image))
}

// maxOutput is the size of the largest file that is read from an installation.
const maxOutput = 16 << 20

func (i *installation) read(name string) (string, error) {
	// Scripts of packages were root there: nothing is followed or waited for.
	f, err := os.OpenFile(filepath.Join(i.folder, "out", name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("read result of installation: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxOutput))
	if err != nil {
		return "", fmt.Errorf("read result of installation: %w", err)
	}
	return string(data), nil
}

// packages reads a list of packages, sorted.
func (i *installation) packages(name string) ([]string, error) {
	text, err := i.read(name)
	if err != nil {
		return nil, err
	}
	list := strings.Fields(text)
	if len(list) == 0 {
		return nil, fmt.Errorf("read result of installation: no packages in %s", name)
	}
	slices.Sort(list)
	return list, nil
}
