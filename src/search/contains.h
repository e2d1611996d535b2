/*
 * src/search/contains.h
 *
 * Values inside of other values.
 */
#ifndef KR_SEARCH_CONTAINS_H
#define KR_SEARCH_CONTAINS_H

/* Whether a value of an array, domain, range or row type has encrypted ones in it, at any depth. */
extern bool kr_search_contains_encrypted(Oid type);

/* Whether that is so, or the type is encrypted itself. */
extern bool kr_search_holds_encrypted(Oid type);

#endif
