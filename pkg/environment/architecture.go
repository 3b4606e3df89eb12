package environment

import "runtime"

// HostArchitecture is Debian's name for the architecture of this machine, as far as Go tells.
func HostArchitecture() string {
	switch runtime.GOARCH {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	case "ppc64le":
		return "ppc64el"
	case "mips64le":
		return "mips64el"
	}
	return runtime.GOARCH
}
