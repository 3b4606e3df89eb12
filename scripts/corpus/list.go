package main

import "slices"

// hard is a source package and what newcomers get wrong about it.
type hard struct{ name, why string }

// list is the corpus. Each package builds in less than a minute on two processors.
var list = []hard{
	{"authbind", "1.0 native, no debhelper, no Build-Depends at all, setuid program, Rules-Requires-Root missing"},
	{"leave", "1.0 with diff, rules of plain make without any helper"},
	{"checkpw", "3.0 quilt, no Build-Depends, rules without debhelper"},
	{"dhcp-helper", "1.0, no Build-Depends, plain rules, conffile and init script"},
	{"ipsvd", "no Build-Depends, plain rules, tests that listen on localhost"},
	{"bonnie++", "name with +, 1.0 native with +nmu version, C++"},
	{"mescc-tools", "two orig tarballs, tests that run made-up machine code"},
	{"libutempter", "signed orig, setgid helper owned by utmp, Multi-Arch: same, dbgsym"},
	{"pwgen", "signed orig, .udeb beside the .deb"},
	{"sysvbanner", "epoch in the version, none in file names"},
	{"libio-pty-perl", "epoch, Perl XS, tests that open ptys"},
	{"9mount", "name begins with a digit, linux-any, setuid programs"},
	{"6tunnel", "name begins with a digit, epoch, tests that listen on localhost with IPv4 and IPv6"},
	{"etherdfs-server", "~ in the version, linux-any"},
	{"what-is-python", "binaries of another version than the source's, arch:all only"},
	{"mysql-defaults", "binaries of another version, arch:any beside arch:all"},
	{"libmd", "udeb left out by the profile noudeb, symbols file, signed orig"},
	{"libaio", "linux-any, udeb by profile, builds twice, Rules-Requires-Root: no"},
	{"liblockfile", "setgid program that becomes root's by fakeroot, Rules-Requires-Root missing"},
	{"cron", "setgid and setuid programs, arch:any beside arch:all, own owners below fakeroot"},
	{"par", "locales <!nocheck>: tests that need another locale"},
	{"mawk", "Build-Conflicts, tests of standard input and /dev/full"},
	{"tinyxml", "C++ library with symbols, arch:any beside arch:all, Multi-Arch: same"},
	{"go-md2man-v2", "Go, library and program, Built-Using of many"},
	{"libhttp-daemon-perl", "tests that talk to a server on localhost, <!nocheck>"},
	{"libsocket6-perl", "tests of IPv6 names and addresses"},
	{"libbsd-resource-perl", "tests of limits of processes"},
	{"libipc-sharelite-perl", "System V shared memory and semaphores"},
	{"libfile-fcntllock-perl", "tests of file locks between processes"},
	{"libtest-tcp-perl", "tests that fork servers and look for free ports"},
	{"datefudge", "tests of the clock under a preloaded library"},
	{"distro-info-data", "version with +deb12u, arch:all only, checks in <!nocheck>"},
	{"gcc-defaults", "twenty binaries of versions and epochs of their own, m4 in debian/control"},
	{"psmisc", "tests by dejagnu, which runs programs on ptys and reads /proc"},
	{"electric-fence", "1.0 native, tests of pages that may not be touched"},
	{"hostname", "3.0 native, Essential, debhelper's old level"},
	{"postgresql-common", "3.0 native, binaries of versions of their own, arch:any beside arch:all"},
	{"phnxdeco", "cdbs, debian/compat, no Rules-Requires-Root"},
	{"ca-certificates", "file names beyond ASCII, udeb beside arch:all, certificates made by Python"},
	{"libspng", "Build-Depends-Indep and Build-Depends-Arch, <!nodoc> packages, meson"},
	{"libcap2", "epoch, linux-any, PAM module, tests that ask for capabilities"},
	{"tree", "sources in ISO 8859, plain make"},
	{"cowsay", "arch:all only, Perl, files named after everything"},
	{"expect", "Tcl, tests that run programs on ptys"},
	{"opensmtpd-filter-senderscore", "Go program, Static-Built-Using"},
	{"po-debconf", "arch:all only, locales and translated manual pages"},
	{"dwz", "tests of compilers and of debugging information, dejagnu"},
}

// choose returns the packages of these names, and says of those that are not in the list what is known.
func choose(names []string) (chosen []hard) {
	for _, name := range names {
		i := slices.IndexFunc(list, func(h hard) bool { return h.name == name })
		if i >= 0 {
			chosen = append(chosen, list[i])
		} else {
			chosen = append(chosen, hard{name, "asked for"})
		}
	}
	return chosen
}
