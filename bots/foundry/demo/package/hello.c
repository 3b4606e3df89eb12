#include <stdio.h>

int main(void)
{
	puts("Hello from a package that foundry has built, signed and published.");
	return 0;
}
