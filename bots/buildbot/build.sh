# Run by /bin/sh -e as root of an instance. /in has the source package, /out takes what was built.
# From the environment: DSC, PARENT and TREE (where to build), DISTRIBUTION, BUILD (kinds of
# packages), CHANGES (name of the .changes), MAX_BYTES (of all results), WRAP (a command to run
# the build with, or empty), MIN_FREE (bytes of free space below which a disk is full) and FULL (the
# exit status for that), OPTIONS and PROFILES, KEEP (a regular expression of further files of the
# tree to keep, or empty) and MAX_KEEP (bytes that these may have).
# LC_COLLATE is what dpkg-buildpackage --sanitize-env sets, which older releases lack.
as_build() {
	setpriv --reuid=build --regid=build --init-groups --no-new-privs $WRAP \
		/usr/bin/env -i PATH="$PATH:/usr/games" LC_ALL=C.UTF-8 LC_COLLATE=C.UTF-8 HOME=/nonexistent USER=build LOGNAME=build \
		SHELL=/bin/sh DEB_BUILD_OPTIONS="$OPTIONS" "$@"
}
stage() { echo "$1" >/out/.stage; }
refuse() {
	echo "buildbot: $1"
	exit 1
}

# A status of its own says that a file system is full that a build writes to, measured and not read
# in the log, where a package may say anything. It replaces the status of any failure.
full() {
	free=$(stat -f -c '%a * %S' "$1" 2>/dev/null) && [ $(($free)) -lt "$MIN_FREE" ]
}
judge() {
	status=$?
	[ $status = 0 ] && exit 0
	[ $status = "$FULL" ] && status=1
	for place in "$PARENT" /tmp /var/tmp /out; do
		if full "$place"; then status=$FULL; fi
	done
	exit $status
}
trap judge EXIT

stage unpack
chmod 1777 /run/lock
install -d -o build -g build "$PARENT"
cd "$PARENT"
for file in /in/*; do
	install -o build -g build -m 644 "$file" .
done
as_build dpkg-source --no-copy -x "$DSC" "$TREE" || refuse 'dpkg-source cannot unpack the source package'

stage build
cd "$TREE"
status=0
as_build dpkg-buildpackage -us -uc --build="$BUILD" ${PROFILES:+--build-profiles="$PROFILES"} --changes-option="-DDistribution=$DISTRIBUTION" || status=$?
cd /
# Nothing of the build may alter its results from here on.
as_build /bin/sh -c 'kill -KILL -1' || true
if [ -n "$KEEP" ] && [ -d "$TREE" ] && [ ! -L "$TREE" ]; then
	cd "$TREE"
	LC_ALL=C find . -regextype posix-extended -xdev -type f -regex "$KEEP" -print0 |
		tar --create --null --files-from=- --no-recursion --hard-dereference --format=pax --numeric-owner --file=- |
		head --bytes="$MAX_KEEP" >/out/.outputs
fi
[ $status = 0 ] || exit $status

stage collect
cd "$PARENT"
plain() { [ -f "$1" ] && [ ! -L "$1" ]; }
plain "$CHANGES" || refuse "the build made no $CHANGES"
[ "$(stat -c %s "$CHANGES")" -le 4194304 ] || refuse "$CHANGES is too large"
cp "$CHANGES" /out/
names=$(sed -n '/^Checksums-Sha256:/,/^[^ ]/s/^ [0-9a-f]* [0-9]* //p' "$CHANGES")
total=0
# Names are split at white space and not expanded; one that is not plain is refused.
set -f
for name in $names; do
	case $name in
	*[!A-Za-z0-9.+~:_-]* | .* | -*) refuse "$CHANGES lists a file with a bad name" ;;
	esac
	plain "$name" || refuse "$CHANGES lists $name, which is not a regular file"
	total=$((total + $(stat -c %s "$name")))
	[ $total -le "$MAX_BYTES" ] || refuse "the results are larger than $MAX_BYTES bytes"
	cp "$name" /out/
done
stage done
