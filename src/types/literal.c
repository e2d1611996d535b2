/*
 * src/types/literal.c
 *
 * That the parser calls is known by the error callback that it puts around the input function of
 * each literal; it leads to the clause. Only clauses of queries count, which are followed
 * by post_parse_analyze: arguments of EXECUTE and CALL become values as they are, and two of
 * them must not share an envelope.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "parser/parse_node.h"
#include "types/kept.h"
#include "types/literal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Strings and envelopes of one query; what comes when they are full gets an envelope of its own each time. */
#define KR_LITERALS_LIMIT (1024 * 1024)

typedef struct Key
{
	Oid base;
	uint32 len;
	uint64 hash;
} Key;

typedef struct Literal
{
	Key key;
	char *string;
	struct varlena *envelope;
} Literal;

static struct
{
	MemoryContext context;
	HTAB *table; /* NULL while there are none */
	Size bytes;
	KrKept kept;
} literals;

static void
wipe(void *owner)
{
	HASH_SEQ_STATUS scan;
	Literal *literal;

	if (literals.table == NULL)
		return;
	hash_seq_init(&scan, literals.table);
	while ((literal = hash_seq_search(&scan)) != NULL)
		explicit_bzero(literal->string, literal->key.len);
	literals.table = NULL;
	literals.bytes = 0;
	MemoryContextReset(literals.context);
}

void
kr_types_forget_literals(void)
{
	wipe(NULL);
}

static void
begin(void)
{
	HASHCTL control = { .keysize = sizeof(Key), .entrysize = sizeof(Literal) };

	if (literals.context == NULL)
		literals.context = AllocSetContextCreate(TopMemoryContext, "keyring literals", ALLOCSET_SMALL_SIZES);
	control.hcxt = literals.context;
	literals.table = hash_create("keyring literals", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	kr_types_keep(&literals.kept, literals.context, wipe, NULL);
}

static Key
key_of(const KrBaseType *base, const char *string)
{
	Key key = { .base = base->oid, .len = (uint32) strlen(string) };

	key.hash = hash_bytes_extended((const unsigned char *) string, (int) key.len, 0);
	return key;
}

/* The clauses that are compared with each other. */
static bool
is_clause_of_query(ParseExprKind kind)
{
	switch (kind)
	{
		case EXPR_KIND_HAVING:
		case EXPR_KIND_WINDOW_PARTITION:
		case EXPR_KIND_WINDOW_ORDER:
		case EXPR_KIND_SELECT_TARGET:
		case EXPR_KIND_GROUP_BY:
		case EXPR_KIND_ORDER_BY:
		case EXPR_KIND_DISTINCT_ON:
			return true;
		default:
			return false;
	}
}

bool
kr_types_parsing_literal(void)
{
	static void (*parsers)(void *) = NULL;
	const ErrorContextCallback *callback = error_context_stack;
	const ParseState *pstate;

	/* it is private to the parser, but given to everybody who asks */
	if (parsers == NULL)
	{
		ParseCallbackState probe;

		setup_parser_errposition_callback(&probe, NULL, -1);
		cancel_parser_errposition_callback(&probe);
		parsers = probe.errcallback.callback;
	}
	if (callback == NULL || callback->callback != parsers)
		return false;
	pstate = ((const ParseCallbackState *) callback->arg)->pstate;
	return pstate != NULL && is_clause_of_query(pstate->p_expr_kind);
}

struct varlena *
kr_types_recall_literal(const KrBaseType *base, const char *string)
{
	Key key = key_of(base, string);
	Literal *literal = literals.table ? hash_search(literals.table, &key, HASH_FIND, NULL) : NULL;
	struct varlena *copy;

	if (literal == NULL || memcmp(literal->string, string, key.len) != 0 ||
		!kr_keys_is_openable(literal->envelope))
		return NULL;
	copy = palloc(VARSIZE(literal->envelope));
	memcpy(copy, literal->envelope, VARSIZE(literal->envelope));
	return copy;
}

void
kr_types_remember_literal(const KrBaseType *base, const char *string, const struct varlena *envelope)
{
	Key key = key_of(base, string);
	Size size = key.len + VARSIZE(envelope) + sizeof(Literal);
	Literal *literal;
	char *chunk;
	bool found;

	if (literals.bytes + size > KR_LITERALS_LIMIT)
		return;
	if (literals.table == NULL)
		begin();
	chunk = MemoryContextAlloc(literals.context, VARSIZE(envelope) + key.len);
	literal = hash_search(literals.table, &key, HASH_ENTER, &found);
	/* another string with this hash, or an envelope that is not current any more: what is out of the table is not wiped later */
	if (found)
		explicit_bzero(literal->string, key.len);
	memcpy(chunk, envelope, VARSIZE(envelope));
	memcpy(chunk + VARSIZE(envelope), string, key.len);
	literal->envelope = (struct varlena *) chunk;
	literal->string = chunk + VARSIZE(envelope);
	literals.bytes += size;
}
