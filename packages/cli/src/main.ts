/** The `fastcgi` command. */
export {}
