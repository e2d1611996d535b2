/*
 * src/types/literal.c
 *
 * That the parser calls is known by the error callback that it puts around the input function of
 * each literal; it leads to the clause. Only clauses of queries count, which are followed
 * by post_parse_analyze: arguments of EXECUTE and CALL become values as they are, and two of
 * them must not share an envelope.
 *
 * A value inside of an array or a row is read by the same function, called from theirs. The parse hook does not look into rows,
 * so these get envelopes. They are told apart by the FmgrInfo: the parser's own lies in the stack, below its callback.
 */
#include "postgres.h"

#include "commands/extension.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "parser/parse_node.h"
#include "types/kept.h"
#include "types/literal.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* Strings and values of one query; what comes when they are full gets an envelope of its own each time. */
#define KR_LITERALS_LIMIT (1024 * 1024)

bool kr_types_hook_follows = false;
bool kr_types_met_literal = false;

typedef struct Key
{
	Oid base;
	uint32 len;
	uint64 hash;
} Key;

typedef struct Literal
{
	Key key;
	struct Literal *next; /* in its bucket */
	const KrBaseType *type;
	char *string;
	struct varlena *value; /* what the parser got: an envelope, or a stand-in */
	bool stands_in;
	Datum plain; /* that it stands for */
} Literal;

/* In the place of an envelope, but for one it is too short: whoever takes it for one finds it damaged. */
typedef struct StandIn
{
	int32 header;
	Key key;
} StandIn;

/* Most statements have a few: these need no table to be made. */
#define KR_FEW_BUCKETS 16

static struct
{
	MemoryContext context;
	Literal *few[KR_FEW_BUCKETS]; /* the buckets while they are that many */
	Literal **buckets;
	uint32 nbuckets; /* a power of two */
	uint32 count;
	Size bytes;
	const ParseState *query; /* the outermost state, of the query that is parsed */
	KrKept kept;
} literals;

static void
wipe_literal(Literal *literal)
{
	explicit_bzero(literal->string, literal->key.len);
	if (!literal->stands_in)
		return;
	if (!literal->type->by_value)
		explicit_bzero(DatumGetPointer(literal->plain), datumGetSize(literal->plain, false, literal->type->typlen));
	explicit_bzero(&literal->plain, sizeof(literal->plain));
}

static Key
key_of(const KrBaseType *base, const char *string)
{
	Key key = { .base = base->oid, .len = (uint32) strlen(string) };

	key.hash = hash_bytes_extended((const unsigned char *) string, (int) key.len, 0);
	return key;
}

/* The clauses that the parse hook sees. */
static bool
is_clause_of_query(ParseExprKind kind)
{
	switch (kind)
	{
		case EXPR_KIND_JOIN_ON:
		case EXPR_KIND_WHERE:
		case EXPR_KIND_HAVING:
		case EXPR_KIND_FILTER:
		case EXPR_KIND_WINDOW_PARTITION:
		case EXPR_KIND_WINDOW_ORDER:
		case EXPR_KIND_SELECT_TARGET:
		case EXPR_KIND_INSERT_TARGET:
		case EXPR_KIND_UPDATE_SOURCE:
		case EXPR_KIND_UPDATE_TARGET: /* the expressions of UPDATE, as they are given the types of its columns */
		case EXPR_KIND_MERGE_WHEN:
		case EXPR_KIND_GROUP_BY:
		case EXPR_KIND_ORDER_BY:
		case EXPR_KIND_DISTINCT_ON:
		case EXPR_KIND_RETURNING:
		case EXPR_KIND_VALUES:
		case EXPR_KIND_VALUES_SINGLE:
			return true;
		default:
			return false;
	}
}

/* The state that a callback of the parser's belongs to; NULL for other callbacks. */
static ParseState *
state_of(const ErrorContextCallback *callback)
{
	static void (*parsers)(void *) = NULL;

	/* it is private to the parser, but given to everybody who asks */
	if (parsers == NULL)
	{
		ParseCallbackState probe;

		setup_parser_errposition_callback(&probe, NULL, -1);
		cancel_parser_errposition_callback(&probe);
		parsers = probe.errcallback.callback;
	}
	if (callback == NULL || callback->callback != parsers)
		return NULL;
	return ((const ParseCallbackState *) callback->arg)->pstate;
}

static const ParseState *
outermost(const ParseState *pstate)
{
	while (pstate->parentParseState != NULL)
		pstate = pstate->parentParseState;
	return pstate;
}

/*
 * Whether the query that is remembered is still being parsed, further up: a literal of it has called for what runs now. So does
 * one of an array of a domain, whose CHECK may call any function.
 */
static bool
is_parsing(const ErrorContextCallback *callback)
{
	for (; callback != NULL; callback = callback->previous)
	{
		const ParseState *pstate = state_of(callback);

		if (pstate != NULL && outermost(pstate) == literals.query)
			return true;
	}
	return false;
}

static void
wipe(void *owner)
{
	if (literals.count == 0 || is_parsing(error_context_stack))
		return;
	for (uint32 i = 0; i < literals.nbuckets; i++)
	{
		for (Literal *literal = literals.buckets[i]; literal != NULL; literal = literal->next)
			wipe_literal(literal);
	}
	memset(literals.few, 0, sizeof(literals.few));
	literals.buckets = literals.few;
	literals.nbuckets = KR_FEW_BUCKETS;
	literals.count = 0;
	literals.query = NULL;
	literals.bytes = 0;
	MemoryContextReset(literals.context);
}

void
kr_types_forget_literals(const ParseState *pstate)
{
	if (literals.query == pstate)
		wipe(NULL);
}

/* What is kept outlives each reset of its memory. */
static void
begin(void)
{
	literals.context = AllocSetContextCreate(TopMemoryContext, "keyring literals", ALLOCSET_SMALL_SIZES);
	literals.buckets = literals.few;
	literals.nbuckets = KR_FEW_BUCKETS;
	kr_types_keep(&literals.kept, TopMemoryContext, wipe, NULL);
}

static inline Literal **
bucket_of(const Key *key)
{
	return &literals.buckets[key->hash & (literals.nbuckets - 1)];
}

static Literal *
look_up(const Key *key)
{
	Literal *literal;

	if (literals.count == 0)
		return NULL;
	for (literal = *bucket_of(key); literal != NULL; literal = literal->next)
	{
		if (memcmp(&literal->key, key, sizeof(Key)) == 0)
			return literal;
	}
	return NULL;
}

static void
put(Literal *literal)
{
	Literal **bucket = bucket_of(&literal->key);

	literal->next = *bucket;
	*bucket = literal;
}

static void
grow(void)
{
	Literal **smaller = literals.buckets;
	uint32 n = literals.nbuckets;
	Literal *next;

	literals.nbuckets *= 8;
	literals.buckets = MemoryContextAllocZero(literals.context, literals.nbuckets * sizeof(Literal *));
	for (uint32 i = 0; i < n; i++)
	{
		for (Literal *literal = smaller[i]; literal != NULL; literal = next)
		{
			next = literal->next;
			put(literal);
		}
	}
}

bool
kr_types_parsing_literal(void)
{
	const ParseState *pstate = state_of(error_context_stack);
	const ParseState *query;

	if (pstate == NULL || !is_clause_of_query(pstate->p_expr_kind))
		return false;
	query = outermost(pstate);
	if (literals.query != NULL && literals.query != query)
	{
		if (is_parsing(error_context_stack->previous))
			return false;
		wipe(NULL); /* of a query that failed */
	}
	literals.query = query;
	return true;
}

bool
kr_types_may_stand_in(FunctionCallInfo fcinfo)
{
	const char *flinfo = (const char *) fcinfo->flinfo;
	const char *parser = (const char *) error_context_stack;
	const char *here = (const char *) &flinfo;

	return kr_types_hook_follows && !creating_extension && !IsBinaryUpgrade && literals.bytes < KR_LITERALS_LIMIT &&
		((here < flinfo && flinfo < parser) || (parser < flinfo && flinfo < here));
}

static struct varlena *
copy_of(const Literal *literal)
{
	struct varlena *copy = palloc(VARSIZE(literal->value));

	memcpy(copy, literal->value, VARSIZE(literal->value));
	return copy;
}

struct varlena *
kr_types_recall_literal(const KrBaseType *base, const char *string)
{
	Literal *literal;
	Key key;

	if (literals.count == 0)
		return NULL;
	key = key_of(base, string);
	literal = look_up(&key);
	if (literal == NULL || memcmp(literal->string, string, key.len) != 0)
		return NULL;
	if (!literal->stands_in && !kr_keys_is_openable(literal->value))
		return NULL;
	return copy_of(literal);
}

static Literal *
new_literal(const Key *key)
{
	Literal *literal;

	if (literals.count >= 2 * literals.nbuckets)
		grow();
	literal = MemoryContextAlloc(literals.context, sizeof(Literal));
	literal->key = *key;
	put(literal);
	literals.count++;
	return literal;
}

/* Its place, with a copy of what the parser gets; NULL where there is no room for one more. */
static Literal *
enter(const KrBaseType *base, const Key *key, const char *string, const struct varlena *value)
{
	Size size = key->len + VARSIZE(value) + sizeof(Literal);
	Literal *literal = look_up(key);
	char *chunk;

	/* an envelope that is not current any more, or another string with this hash, whose stand-in may be in use */
	if (literals.bytes + size > KR_LITERALS_LIMIT || (literal != NULL && literal->stands_in))
		return NULL;
	if (literals.context == NULL)
		begin();
	chunk = MemoryContextAlloc(literals.context, VARSIZE(value) + key->len);
	if (literal != NULL)
		wipe_literal(literal);
	else
		literal = new_literal(key);
	memcpy(chunk, value, VARSIZE(value));
	memcpy(chunk + VARSIZE(value), string, key->len);
	literal->type = base;
	literal->value = (struct varlena *) chunk;
	literal->string = chunk + VARSIZE(value);
	literal->stands_in = false;
	literals.bytes += size;
	return literal;
}

void
kr_types_remember_literal(const KrBaseType *base, const char *string, const struct varlena *envelope)
{
	Key key = key_of(base, string);

	(void) enter(base, &key, string, envelope);
}

struct varlena *
kr_types_stand_in(const KrBaseType *base, const char *string, Datum plain)
{
	StandIn stand_in = { .key = key_of(base, string) };
	MemoryContext old;
	Literal *literal;

	SET_VARSIZE(&stand_in, sizeof(stand_in));
	literal = enter(base, &stand_in.key, string, (struct varlena *) &stand_in);
	if (literal == NULL)
		return NULL;
	old = MemoryContextSwitchTo(literals.context);
	literal->plain = datumCopy(plain, base->by_value, base->typlen);
	MemoryContextSwitchTo(old);
	literal->stands_in = true;
	if (!base->by_value)
		literals.bytes += datumGetSize(plain, false, base->typlen);
	return copy_of(literal);
}

bool
kr_types_literal_plain(const struct varlena *value, Datum *plain)
{
	const StandIn *stand_in = (const StandIn *) value;
	Literal *literal;

	if (VARSIZE_ANY(value) != sizeof(StandIn))
		return false;
	literal = look_up(&stand_in->key);
	if (literal == NULL || !literal->stands_in)
		return false;
	*plain = datumCopy(literal->plain, literal->type->by_value, literal->type->typlen);
	return true;
}
