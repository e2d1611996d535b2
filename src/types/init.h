/*
 * src/types/init.h
 */
#ifndef KR_TYPES_INIT_H
#define KR_TYPES_INIT_H

/* From _PG_init. */
extern void kr_types_init(void);

#endif
