/*
 * test/unit/vectors.c
 *
 * Reads the test vectors of doc/envelope.md. Programs run at the top of the tree.
 */
#include "unit/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/tap.h"

static const char page[] = "doc/envelope.md";

static void
give_up(const char *why, const char *name)
{
	printf("Bail out! %s: %s %s\n", page, why, name);
	exit(EXIT_FAILURE);
}

size_t
vector(const char *name, uint8_t *out, size_t size)
{
	FILE *file = fopen(page, "r");
	char line[512];
	size_t name_len = strlen(name);
	size_t len = 0;
	bool in_section = false;
	bool found = false;

	if (file == NULL)
		give_up("could not read", "");
	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (strncmp(line, "## ", 3) == 0)
			in_section = strstr(line, "Test vectors") != NULL;
		if (in_section && !found && strncmp(line, name, name_len) == 0 && strncmp(line + name_len, " = ", 3) == 0)
		{
			found = true;
			if (strcmp(line + name_len + 3, "(none)\n") != 0)
				len = tap_unhex(out, size, line + name_len + 3);
		}
		else if (found && strncmp(line, "    ", 4) == 0)
			len += tap_unhex(out + len, size - len, line);
		else if (found)
			break;
	}
	fclose(file);
	if (!found)
		give_up("has no vector", name);
	return len;
}
