/** What goes wrong without a fault of the bench. The messages are for the person who started it, and need no stack. */

/** A wrong command line. */
export class UsageError extends Error {}

/** A contender that did not do what it was to do. */
export class RunFailedError extends Error {}
