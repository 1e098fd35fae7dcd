/*
 * The exit status vocabulary of all the tools. Every man page repeats it under EXIT STATUS.
 * Scripts depend on these numbers: they never change their meaning.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

enum status {
	STATUS_OK = 0,	     /* yes, or done */
	STATUS_NO = 1,	     /* the honest no: in use, still held, not verified, pending */
	STATUS_USAGE = 2,    /* bad command line */
	STATUS_TROUBLE = 3,  /* could not do it; nothing was changed unless the message says what */
	STATUS_UNKNOWN = 4,  /* cannot tell: too much was hidden to say yes */
	STATUS_BUSY = 5,     /* the database is held; nothing was changed; try again later */
	STATUS_PUT_BACK = 6, /* failed, and what was there before has been put back */
	STATUS_DAMAGED = 7,  /* the state is not known or could not be put back */
};

#endif
