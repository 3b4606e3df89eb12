#include <stdio.h>

int main(void) {
#ifdef PATCHED
	puts("patched");
#endif
	return 0;
}
