/*
 * src/types/new_names.c
 */
#include "postgres.h"

#include "access/xact.h"
#include "types/new_names.h"

typedef struct Wish
{
	Oid object;
	char *name;
} Wish;

List *
kr_types_want_name(List *wishes, Oid object, char *name)
{
	Wish *wish = palloc(sizeof(Wish));

	wish->object = object;
	wish->name = name;
	return lappend(wishes, wish);
}

void
kr_types_give_names(List *wishes, KrRename rename)
{
	ListCell *cell;

	/* first out of each other's way */
	foreach(cell, wishes)
	{
		const Wish *wish = lfirst(cell);

		rename(wish->object, psprintf("keyring_renamed_%u", wish->object));
		CommandCounterIncrement();
	}
	foreach(cell, wishes)
	{
		const Wish *wish = lfirst(cell);

		rename(wish->object, wish->name);
		CommandCounterIncrement();
	}
}
