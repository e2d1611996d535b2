/*
 * test/unit/tap.c
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

static int count;
static int failures;

static bool
result(bool passed, const char *name, va_list args)
{
	printf("%sok %d - ", passed ? "" : "not ", ++count);
	vprintf(name, args);
	putchar('\n');
	fflush(stdout);
	if (!passed)
		failures++;
	return passed;
}

bool
ok(bool passed, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	result(passed, name, args);
	va_end(args);
	return passed;
}

bool
contains(const char *text, const char *part, const char *name, ...)
{
	bool passed = strstr(text, part) != NULL;
	va_list args;

	va_start(args, name);
	result(passed, name, args);
	va_end(args);
	if (!passed)
		printf("#   have: %s\n#   want: %s\n", text, part);
	return passed;
}

void
skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++count, name, reason);
}

int
done_testing(void)
{
	printf("1..%d\n", count);
	return failures == 0 ? 0 : 1;
}
