/*
 * src/kms/report.c
 *
 * Words of a provider, put into strings of fixed size. What does not fit is cut,
 * but never inside a UTF-8 character: the text travels on to clients, and half a
 * character there is an encoding error that hides the real one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kms/provider.h"

/* Length of text without a UTF-8 character that its end cuts short. */
static size_t
whole_characters(const char *text, size_t len)
{
	size_t start = len;
	size_t tail = 0;
	unsigned char lead;
	size_t wanted;

	while (start > 0 && tail < 4 && ((unsigned char) text[start - 1] & 0xC0) == 0x80)
	{
		start--;
		tail++;
	}
	if (start == 0)
		return len;
	lead = (unsigned char) text[start - 1];
	wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 :
		lead >= 0xC0                         ? 1 :
											   0;
	return tail < wanted ? start - 1 : len;
}

void
kr_kms_say(char *out, size_t size, const char *format, ...)
{
	va_list args;
	int needed;

	if (size == 0)
		return;
	va_start(args, format);
	needed = vsnprintf(out, size, format, args);
	va_end(args);
	if (needed < 0)
		out[0] = '\0';
	else if ((size_t) needed >= size)
		out[whole_characters(out, size - 1)] = '\0';
}
