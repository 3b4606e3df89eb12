# Run by /bin/sh -e in an instance of a base system. It announces its stages on descriptor 4.
# /in has sources.list, apt.conf, keyrings, package.dsc, in releases the hashes of the Release files
# that the host has seen, and in current those for which the base system is up to date; /out takes
# what the host reads.
export APT_CONFIG=/in/apt.conf DEBIAN_FRONTEND=noninteractive HOME=/root
packages() {
	dpkg-query -W -f '${db:Status-Status} ${Package}:${Architecture}=${Version}\n' |
		sed -n 's/^installed //p' >"$1"
}

# Some packages ask apt-cache while they are built. The lists are in a volume, and big; the environment gets
# compressed ones.
keep_lists() {
	mkdir -p $kept/partial
	for file in /var/lib/apt/lists/*; do
		case $file in
		*_Packages) gzip -1 -n <"$file" >"$kept/${file##*/}.gz" ;;
		*Release | *Release.gpg) cp "$file" $kept/ ;;
		esac
	done
}
kept=/var/lib/apt/build

# No service is started in an environment. (mmdebstrap removes its own of these.)
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

echo stage update >&4
# Says for which Release files all lists are there.
complete=/var/lib/apt/lists/complete
updated=no
if cmp -s $complete /in/releases; then
	echo 'package lists are up to date'
	cp $complete /out/releases
else
	rm -f $complete
	apt-get -q update
	find /var/lib/apt/lists -maxdepth 1 -type f -name '*Release' -exec sha256sum {} + | cut -d ' ' -f 1 | sort >/out/releases
	cp /out/releases $complete
	updated=yes
fi

echo stage upgrade >&4
if ! cmp -s /in/current /out/releases; then
	apt-get -s dist-upgrade >/out/upgrade
	if grep -q '^\(Inst\|Remv\) ' /out/upgrade; then
		apt-get -q dist-upgrade
	else
		cp /out/releases /out/current
	fi
fi
packages /out/before

echo stage resolve >&4
status=0
apt-get -s build-dep /in/package.dsc >/out/plan 2>&1 || status=$?
sed '/^\(Inst\|Conf\|Remv\|Note, using\) /d' /out/plan
if [ $status != 0 ]; then
	xargs -r apt-cache showpkg </in/names >/out/available 2>/dev/null || :
	exit $status
fi
echo resolved >&4
read -r order <&6
[ "$order" = install ]

echo stage install >&4
keep_lists &
lists=$!
apt-get -q build-dep /in/package.dsc
wait $lists
[ $updated = no ] || apt-get -q autoclean
echo "Dir::State::lists \"$kept\";" >/etc/apt/apt.conf.d/90foundry
rm -f /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/debconf/*-old /var/lib/dpkg/*-old
packages /out/after
dpkg-query -W -f '${Package}, ${Depends}, ${Pre-Depends}\n' >/out/names
