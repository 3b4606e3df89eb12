package main

import "slices"

// hard is a source package and what newcomers get wrong about it.
type hard struct{ name, why string }

// list is the corpus. Each package builds in less than a minute on two processors.
var list = []hard{
	{"authbind", "1.0 native, no debhelper, no Build-Depends at all, setuid program, Rules-Requires-Root missing"},
	{"leave", "1.0 with diff, rules of plain make without any helper"},
	{"mailcap", "3.0 native, arch:all only, no Build-Depends"},
	{"checkpw", "3.0 quilt, no Build-Depends, rules without debhelper"},
	{"bonnie++", "name with +, 1.0 native with +nmu version, C++"},
	{"git-flow", "two orig tarballs, arch:all only, bundled component"},
	{"mescc-tools", "two orig tarballs, tests that run made-up machine code"},
	{"libutempter", "signed orig, setgid helper owned by utmp, Multi-Arch: same, dbgsym"},
	{"pwgen", "signed orig, .udeb beside the .deb"},
	{"sysvbanner", "epoch in the version, none in file names"},
	{"libio-pty-perl", "epoch, Perl XS, tests that open ptys"},
	{"lowmem", "udebs only, arch:any beside arch:all"},
	{"dmidecode", "any-amd64 any-i386 … in Architecture, .udeb, signed orig"},
	{"9mount", "name begins with a digit, linux-any, setuid programs"},
	{"6tunnel", "name begins with a digit, epoch, tests that listen on localhost with IPv4 and IPv6"},
	{"etherdfs-server", "~ in the version, linux-any"},
	{"dvd+rw-tools", "name with +, alternatives by architecture in Build-Depends, C++"},
	{"java-common", "binaries with another version and epoch than the source, arch:any beside arch:all"},
	{"liboping", "a binary of another version than the source's, Perl module, capabilities of a program"},
	{"tiny-initramfs", "linux-any beside all, static programs with Built-Using"},
	{"fgetty", "Built-Using of a C library, static"},
	{"libconfuse", "Build-Depends-Indep and Build-Depends-Arch, doxygen, arch:all beside arch:any"},
	{"libmd", "udeb left out by the profile noudeb, symbols file, signed orig"},
	{"multitee", "cdbs"},
	{"userv-utils", "1.0 with diff, arch:any beside arch:all, programs below /usr/lib/userv"},
	{"liblockfile", "setgid program that becomes root's by fakeroot, Rules-Requires-Root missing"},
	{"at", "daemon's own owner and modes below fakeroot, conffiles of mode 0640, setuid and setgid"},
	{"par", "locales <!nocheck>: tests that need another locale"},
	{"autossh", "Build-Conflicts"},
	{"tinyxml", "C++ library with symbols, arch:any beside arch:all, Multi-Arch: same"},
	{"hjson-go", "Go, library and program, Built-Using of many"},
	{"bitstruct", "Python extension, built for each Python"},
	{"libhttp-daemon-perl", "tests that talk to a server on localhost, <!nocheck>"},
	{"libbsd-resource-perl", "tests of limits of processes"},
	{"libproc-processtable-perl", "tests that read /proc of every process"},
	{"libfilesys-df-perl", "tests of file systems and free space"},
	{"libio-interface-perl", "tests of the loopback network interface"},
	{"libsys-hostname-long-perl", "tests that ask for the host's full name"},
	{"libfile-homedir-perl", "tests that meet a HOME that does not exist"},
	{"libunix-mknod-perl", "makes device nodes under fakeroot"},
	{"libipc-sharelite-perl", "System V shared memory and semaphores"},
	{"ptyprocess", "Python by pyproject, tests that run shells on ptys"},
	{"datefudge", "tests of the clock under a preloaded library"},
	{"isa-support", "any-i386 any-amd64 armel …: binaries that differ for each architecture"},
	{"vera", "binaries of several versions, texinfo, Build-Depends-Indep only"},
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
