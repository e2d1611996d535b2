/*
 * test/unit/test_bytes.c
 *
 * The bounded reader and writer: big-endian, and nothing is touched beyond the
 * end (the sanitizer build watches the buffers' edges).
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/bytes.h"
#include "unit/tap.h"

static void
test_reader(void)
{
	static const uint8_t bytes[] = { 0xFF, 0x81, 0x02, 0x03, 0x04, 'a', 'b' };
	uint8_t *exact = malloc(sizeof(bytes));
	KrByteReader reader;

	if (exact == NULL)
		abort();
	memcpy(exact, bytes, sizeof(bytes));
	reader = kr_crypto_reader(exact, sizeof(bytes));
	tap_ok(kr_crypto_read_u8(&reader) == 0xFF, "reads a byte");
	tap_ok(kr_crypto_read_u32(&reader) == UINT32_C(0x81020304), "reads a big-endian number with its top bit set");
	tap_ok(reader.left == 2, "knows what is left");
	tap_ok(kr_crypto_read_u32(&reader) == 0 && reader.overrun, "a number that is cut off is an overrun");
	tap_ok(reader.left == 2, "an overrun consumes nothing");
	tap_ok(kr_crypto_read_bytes(&reader, 2) == NULL && reader.overrun, "an overrun stays");

	reader = kr_crypto_reader(exact + 5, 2);
	tap_ok(kr_crypto_read_bytes(&reader, 2) == exact + 5 && reader.left == 0 && !reader.overrun, "reads to the last byte");
	tap_ok(kr_crypto_read_bytes(&reader, 0) != NULL && !reader.overrun, "no bytes can be read at the end");
	tap_ok(kr_crypto_read_u8(&reader) == 0 && reader.overrun, "one cannot");

	reader = kr_crypto_reader(exact, sizeof(bytes));
	tap_ok(kr_crypto_read_bytes(&reader, SIZE_MAX) == NULL && reader.overrun, "a length that would wrap is an overrun");
	free(exact);
}

static void
test_writer(void)
{
	static const uint8_t want[] = { 0x01, 0xFE, 0xDC, 0xBA, 0x98, 'x', 'y' };
	uint8_t *exact = malloc(sizeof(want));
	KrByteWriter writer;

	if (exact == NULL)
		abort();
	writer = kr_crypto_writer(exact, sizeof(want));
	kr_crypto_write_u8(&writer, 1);
	kr_crypto_write_u32(&writer, UINT32_C(0xFEDCBA98));
	kr_crypto_write_bytes(&writer, (const uint8_t *) "xy", 2);
	tap_ok(writer.left == 0 && !writer.overrun, "writes to the last byte");
	tap_bytes(exact, want, sizeof(want), "writes big-endian");

	kr_crypto_write_bytes(&writer, NULL, 0);
	tap_ok(!writer.overrun, "no bytes can be written at the end");
	kr_crypto_write_u8(&writer, 7);
	tap_ok(writer.overrun, "one cannot");

	writer = kr_crypto_writer(exact, 3);
	kr_crypto_write_u32(&writer, 0);
	tap_ok(writer.overrun && writer.left == 3 && exact[0] == 1, "a number that does not fit is not begun");
	kr_crypto_write_u8(&writer, 7);
	tap_ok(exact[0] == 1, "after an overrun nothing is written");
	free(exact);
}

int
main(void)
{
	test_reader();
	test_writer();
	return tap_done();
}
